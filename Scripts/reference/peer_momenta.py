"""momenta/: momentum buffers as PyTorch and Optax have them, and the steps that these take after that.

Two files for each peer and type. NAME.safetensors are the buffers after five steps, saved as one would save them.
NAME-run.safetensors are the tensors of the three steps that follow: `start/P` and `end/P`, the parameters before and
after them, `gradient/STEP/P`, and `velocity/P`, the buffers at the end.
"""

import json
from importlib.metadata import version

import jax
import numpy as np
import optax
import safetensors.numpy
import safetensors.torch
import torch

from files import write_manifest
from rule_trials import torch_iteration

jax.config.update("jax_enable_x64", True)

SHAPES = {"layer.weight": (4, 3), "layer.bias": (3,), "late": (2, 2)}
BEFORE, AFTER = 5, 3
MUON_STEPS = 6


def draw(random, dtype):
    return {name: random.normal(size=shape).astype(dtype) for name, shape in SHAPES.items()}


def pytorch(folder, dtype):
    """With dampening. The tensor `late` has no gradient, and so no buffer, before the file is written."""
    random = np.random.default_rng(1)
    rule = dict(learningRate=0.05, momentum=0.9, dampening=0.25, weightDecay=0.01)
    tensors = {name: torch.from_numpy(p).requires_grad_(True) for name, p in draw(random, dtype).items()}
    optimizer = torch.optim.SGD(
        tensors.values(), lr=rule["learningRate"], momentum=rule["momentum"], dampening=rule["dampening"],
        weight_decay=rule["weightDecay"])

    def step(gradients):
        for name, tensor in tensors.items():
            tensor.grad = torch.from_numpy(gradients[name]) if name in gradients else None
        optimizer.step()

    def buffers():
        found = {name: optimizer.state[p].get("momentum_buffer") for name, p in tensors.items()}
        return {name: buffer for name, buffer in found.items() if buffer is not None}

    for _ in range(BEFORE):
        gradients = draw(random, dtype)
        del gradients["late"]
        step(gradients)
    name = f"pytorch-{dtype.__name__}"
    safetensors.torch.save_file(buffers(), folder / f"{name}.safetensors")
    # Copies: the steps that follow write in place.
    start = {name: array.copy() for name, array in arrays(tensors).items()}
    given = [draw(random, dtype) for _ in range(AFTER)]
    for gradients in given:
        step(gradients)
    write_run(folder / f"{name}-run.safetensors", "torch", rule, start, given, arrays(tensors), arrays(buffers()))


def muon(folder, name, iteration):
    """PyTorch's Muon in Float, with its own iteration or another."""
    from torch.optim import _muon

    random = np.random.default_rng(3)
    rule = dict(learningRate=0.02, momentum=0.95, nesterov=True, weightDecay=0.1)
    shapes = {"wide": (6, 10), "tall": (12, 5), "square": (8, 8)}

    def draw_matrices():
        return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}

    tensors = {name: torch.from_numpy(p).requires_grad_(True) for name, p in draw_matrices().items()}
    optimizer = torch.optim.Muon(
        tensors.values(), lr=rule["learningRate"], momentum=rule["momentum"], nesterov=rule["nesterov"],
        weight_decay=rule["weightDecay"])

    def step(gradients):
        for name, tensor in tensors.items():
            tensor.grad = torch.from_numpy(gradients[name])
        optimizer.step()

    def buffers():
        return {name: optimizer.state[p]["momentum_buffer"] for name, p in tensors.items()}

    shipped = _muon._zeropower_via_newtonschulz
    _muon._zeropower_via_newtonschulz = iteration or shipped
    try:
        for _ in range(MUON_STEPS):
            step(draw_matrices())
        safetensors.torch.save_file(buffers(), folder / f"{name}.safetensors")
        start = {name: array.copy() for name, array in arrays(tensors).items()}
        given = [draw_matrices() for _ in range(MUON_STEPS)]
        for gradients in given:
            step(gradients)
    finally:
        _muon._zeropower_via_newtonschulz = shipped
    write_run(folder / f"{name}-run.safetensors", "torch", rule, start, given, arrays(tensors), arrays(buffers()))


def optax_(folder, dtype):
    """With Nesterov's look-ahead, and names that have a prefix."""
    random = np.random.default_rng(2)
    rule = dict(learningRate=0.05, momentum=0.9, nesterov=True)
    transform = optax.sgd(rule["learningRate"], momentum=rule["momentum"], nesterov=True)
    parameters = jax.tree.map(jax.numpy.asarray, draw(random, dtype))
    state = transform.init(parameters)

    def step(gradients):
        nonlocal parameters, state
        updates, state = transform.update(jax.tree.map(jax.numpy.asarray, gradients), state, parameters)
        parameters = optax.apply_updates(parameters, updates)

    def trace():
        return jax.tree.map(np.asarray, optax.tree.get(state, "trace"))

    for _ in range(BEFORE):
        step(draw(random, dtype))
    name = f"optax-{dtype.__name__}"
    safetensors.numpy.save_file(
        {f"trace/{key}": value for key, value in trace().items()}, folder / f"{name}.safetensors")
    start = jax.tree.map(np.asarray, parameters)
    given = [draw(random, dtype) for _ in range(AFTER)]
    for gradients in given:
        step(gradients)
    end = jax.tree.map(np.asarray, parameters)
    write_run(folder / f"{name}-run.safetensors", "optax", rule, start, given, end, trace())


def arrays(tensors):
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def write_run(path, package, rule, start, given, end, velocity):
    tensors = {}
    for part, values in (("start", start), ("end", end), ("velocity", velocity)):
        tensors |= {f"{part}/{name}": np.ascontiguousarray(value) for name, value in values.items()}
    for step, gradients in enumerate(given):
        tensors |= {f"gradient/{step}/{name}": value for name, value in gradients.items()}
    # One entry: the writer keeps no order of several.
    about = dict(rule=rule, library=f"{package} {version(package)}")
    safetensors.numpy.save_file(tensors, path, metadata={"run": json.dumps(about, sort_keys=True)})


def write(folder):
    """All files and their manifest."""
    for dtype in (np.float32, np.float64):
        pytorch(folder, dtype)
        optax_(folder, dtype)
    muon(folder, "pytorch-muon", None)
    muon(folder, "pytorch-muon-in-float", torch_iteration)
    write_manifest(folder, "*.safetensors")

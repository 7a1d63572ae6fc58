"""Random trials of the rules beside SGD, and what each peer makes of them: Muon, Lion, Signum and AdamW.

Muon of PyTorch multiplies matrices in bfloat16; `muon in f32` is its rule with the same iteration in the parameters' type.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trials import Dice, Draw, Tensors, normal, parts

STEPS = 20
# Few, because JAX and TensorFlow compile anew for every shape.
MATRICES = [(1, 7), (16, 24), (40, 9), (33, 33), (70, 130)]
VECTORS = [(1,), (100,), (16, 33), (4, 3, 5, 5)]


@dataclass
class Phase:
    """Some steps with the same gradients."""

    steps: int
    gradients: Tensors


@dataclass
class RuleTrial:
    peer: str
    kind: str
    settings: dict[str, float | bool]
    parameters: Tensors
    phases: list[Phase]

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    @property
    def dtype(self) -> np.dtype:
        return self.parameters["t0"].dtype

    def configuration(self, convention: str) -> dict:
        """For `momentum step --config`."""
        return {"convention": convention, "rule": self.rule}

    @property
    def rule(self) -> dict:
        """As configurations have it."""
        return {"kind": self.kind.split()[0], **self.settings}

    @property
    def in_bfloat16(self) -> bool:
        """Whether the peer rounds its matrices to bfloat16."""
        return self.peer == "torch" and self.kind == "muon"


def random_rule_trial(
    generator: np.random.Generator,
    peer: str,
    kind: str,
    draw: Draw = normal,
    shapes: tuple[list[tuple[int, ...]], list[tuple[int, ...]]] = (MATRICES, VECTORS),
) -> RuleTrial:
    """A trial; of shapes the first list is for Muon, the second for the other rules."""
    dice = Dice(generator)

    def choice(*values):
        return values[generator.integers(len(values))]

    # Keras and MLX keep numbers of their rules in Float, whatever the parameters are.
    in_float = peer in ("keras", "mlx")
    dtype = np.float64 if not in_float and dice.chance(0.5) else np.float32
    settings = {"learningRate": float(np.float32(dice.power(-4, -1))), "weightDecay": choice(0.0, 0.125)}
    if kind.startswith("muon"):
        settings |= {"momentum": choice(0.5, 0.75, 0.9375), "nesterov": dice.chance(0.6)}
    elif kind == "signum":
        # Optax, the one peer that has it, has it without decay.
        settings |= {"momentum": choice(0.0, 0.5, 0.9375), "weightDecay": 0.0}
    else:
        settings |= {"beta1": choice(0.5, 0.875), "beta2": choice(0.5, 0.9375, 0.998046875)}
    if kind == "adamw":
        settings["epsilon"] = choice(2.0**-27, 2.0**-10)
        if peer == "mlx":
            settings["biasCorrection"] = dice.chance(0.5)
    possible = shapes[0 if kind.startswith("muon") else 1]
    layout = [possible[generator.integers(len(possible))] for _ in range(generator.integers(1, 3))]
    parameters = {f"t{i}": draw(generator, shape, dice.power(-1, 1), dtype) for i, shape in enumerate(layout)}
    scale = dice.power(-2, 2)
    phases = [
        Phase(steps, {name: draw(generator, p.shape, scale, dtype) for name, p in parameters.items()})
        for steps in parts(generator, STEPS)
    ]
    return RuleTrial(peer, kind, settings, parameters, phases)


def by_torch(trial: RuleTrial) -> Tensors:
    import torch
    from torch.optim import _muon

    s = trial.settings
    tensors = {name: torch.nn.Parameter(torch.from_numpy(p.copy())) for name, p in trial.parameters.items()}
    if trial.kind == "adamw":
        betas = (s["beta1"], s["beta2"])
        rule = torch.optim.AdamW(tensors.values(), s["learningRate"], betas, s["epsilon"], s["weightDecay"])
    else:
        rule = torch.optim.Muon(
            tensors.values(), s["learningRate"], s["weightDecay"], s["momentum"], s["nesterov"]
        )
    shipped = _muon._zeropower_via_newtonschulz
    if trial.kind == "muon in f32":
        _muon._zeropower_via_newtonschulz = torch_iteration
    try:
        for phase in trial.phases:
            for _ in range(phase.steps):
                for name, tensor in tensors.items():
                    tensor.grad = torch.from_numpy(phase.gradients[name].copy())
                rule.step()
    finally:
        _muon._zeropower_via_newtonschulz = shipped
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def torch_iteration(gradient, coefficients, steps: int, epsilon: float):
    """The iteration of PyTorch's Muon without its rounding to bfloat16."""
    a, b, c = coefficients
    x = gradient.T if gradient.size(0) > gradient.size(1) else gradient
    x = x / x.norm().clamp(min=epsilon)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if gradient.size(0) > gradient.size(1) else x


def by_optax(trial: RuleTrial) -> Tensors:
    import jax

    jax.config.update("jax_enable_x64", True)
    import optax

    s = trial.settings
    if trial.kind == "muon":
        rule = optax.contrib.muon(
            s["learningRate"], beta=s["momentum"], nesterov=s["nesterov"], weight_decay=s["weightDecay"]
        )
    elif trial.kind == "signum":
        rule = optax.signum(s["learningRate"], s["momentum"])
    else:
        make = optax.lion if trial.kind == "lion" else optax.adamw
        more = {"eps": s["epsilon"]} if trial.kind == "adamw" else {}
        rule = make(s["learningRate"], b1=s["beta1"], b2=s["beta2"], weight_decay=s["weightDecay"], **more)
    tensors = jax.tree.map(jax.numpy.asarray, trial.parameters)
    state = rule.init(tensors)
    update = jax.jit(rule.update)
    for phase in trial.phases:
        gradients = jax.tree.map(jax.numpy.asarray, phase.gradients)
        for _ in range(phase.steps):
            updates, state = update(gradients, state, tensors)
            tensors = optax.apply_updates(tensors, updates)
    return {name: np.asarray(tensor) for name, tensor in tensors.items()}


def by_keras(trial: RuleTrial) -> Tensors:
    import os

    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import tensorflow as tf

    s = trial.settings
    if trial.kind == "muon":
        rule = keras.optimizers.Muon(
            s["learningRate"], momentum=s["momentum"], nesterov=s["nesterov"], weight_decay=s["weightDecay"]
        )
    else:
        make = keras.optimizers.Lion if trial.kind == "lion" else keras.optimizers.AdamW
        more = {"epsilon": s["epsilon"]} if trial.kind == "adamw" else {}
        rule = make(s["learningRate"], beta_1=s["beta1"], beta_2=s["beta2"], weight_decay=s["weightDecay"], **more)
    variables = {name: keras.Variable(p, dtype=p.dtype.name) for name, p in trial.parameters.items()}
    for phase in trial.phases:
        gradients = [tf.constant(gradient) for gradient in phase.gradients.values()]
        for _ in range(phase.steps):
            rule.apply(gradients, list(variables.values()))
    return {name: variable.numpy() for name, variable in variables.items()}


def by_mlx(trial: RuleTrial) -> Tensors:
    import mlx.core as mx
    import mlx.optimizers

    mx.set_default_device(mx.cpu)
    s = trial.settings
    if trial.kind == "muon":
        rule = mlx.optimizers.Muon(s["learningRate"], s["momentum"], s["weightDecay"], s["nesterov"])
    elif trial.kind == "lion":
        rule = mlx.optimizers.Lion(s["learningRate"], [s["beta1"], s["beta2"]], s["weightDecay"])
    else:
        betas = [s["beta1"], s["beta2"]]
        rule = mlx.optimizers.AdamW(
            s["learningRate"], betas, s["epsilon"], s["weightDecay"], bias_correction=s["biasCorrection"]
        )
    tensors = {name: mx.array(p) for name, p in trial.parameters.items()}
    for phase in trial.phases:
        gradients = {name: mx.array(gradient) for name, gradient in phase.gradients.items()}
        for _ in range(phase.steps):
            tensors = rule.apply_gradients(gradients, tensors)
            mx.eval(tensors, rule.state)
    return {name: np.array(tensor) for name, tensor in tensors.items()}


KINDS: dict[str, tuple[str, ...]] = {
    "torch": ("muon", "muon in f32", "adamw"),
    "keras": ("muon", "lion", "adamw"),
    "optax": ("muon", "lion", "adamw", "signum"),
    "mlx": ("muon", "lion", "adamw"),
}
RUNS: dict[str, Callable[[RuleTrial], Tensors]] = {
    "torch": by_torch,
    "keras": by_keras,
    "optax": by_optax,
    "mlx": by_mlx,
}

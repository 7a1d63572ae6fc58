"""PyTorch's numbers."""

import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from trials import Abilities, Tensors, Trial

CONVENTION = "pytorch"
ABILITIES = Abilities(
    dampening=True,
    maximize=True,
    missing_gradients=True,
    clippings=((), ("global",), ("value",), ("norm",), ("value", "global")),
    norm_types=(2.0, 2.0, 1.0, 2.5, float("inf")),
)


def run(trial: Trial) -> tuple[Tensors, Tensors]:
    tensors = {name: torch.from_numpy(p).clone().requires_grad_(True) for name, p in trial.parameters.items()}
    with_gradient = [tensors[name] for name in trial.gradients]
    rule = torch.optim.SGD(
        tensors.values(),
        lr=trial.learning_rate,
        momentum=trial.momentum,
        dampening=trial.dampening,
        weight_decay=trial.weight_decay,
        nesterov=trial.nesterov,
        maximize=trial.maximize,
    )
    for _ in range(trial.steps):
        for name, gradient in trial.gradients.items():
            tensors[name].grad = torch.from_numpy(gradient).clone()
        if "value" in trial.thresholds:
            clip_grad_value_(with_gradient, trial.thresholds["value"])
        if "norm" in trial.thresholds:
            for tensor in with_gradient:
                clip_grad_norm_([tensor], trial.thresholds["norm"], norm_type=trial.norm_type)
        if "global" in trial.thresholds:
            clip_grad_norm_(with_gradient, trial.thresholds["global"], norm_type=trial.norm_type)
        rule.step()
    buffers = {name: rule.state[tensor].get("momentum_buffer") for name, tensor in tensors.items()}
    velocity = {name: buffer.numpy() for name, buffer in buffers.items() if buffer is not None}
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}, velocity

"""MLX's numbers, on the processor."""

import mlx.core as mx
import numpy as np
from mlx.optimizers import SGD, clip_grad_norm

from trials import Abilities, Tensors, Trial

mx.set_default_device(mx.cpu)

CONVENTION = "mlx"
ABILITIES = Abilities(dampening=True, float_options=True)


def run(trial: Trial) -> tuple[Tensors, Tensors]:
    tensors = {name: array(p) for name, p in trial.parameters.items()}
    gradients = {name: array(g) for name, g in trial.gradients.items()}
    rule = SGD(trial.learning_rate, trial.momentum, trial.weight_decay, trial.dampening, trial.nesterov)
    for _ in range(trial.steps):
        clipped = gradients
        if "global" in trial.thresholds:
            clipped, _ = clip_grad_norm(gradients, trial.thresholds["global"])
        tensors = rule.apply_gradients(clipped, tensors)
    velocity = {name: np.array(rule.state[name]["v"]) for name in tensors} if trial.momentum else {}
    return {name: np.array(tensor) for name, tensor in tensors.items()}, velocity


def array(values: np.ndarray) -> mx.array:
    return mx.array(values, dtype=mx.float64 if values.dtype == np.float64 else mx.float32)

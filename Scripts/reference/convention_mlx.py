"""MLX's numbers, on the processor."""

import mlx.core as mx
import numpy as np
from mlx.optimizers import SGD, clip_grad_norm

from trials import Abilities, State, Tensors, Trial

mx.set_default_device(mx.cpu)

CONVENTION = "mlx"
PACKAGES = ("mlx",)
ABILITIES = Abilities(dampening=True, momentum_pauses=True, float_options=True)


def run(trial: Trial) -> list[State]:
    """The state after each phase."""
    tensors = arrays(trial.parameters)
    first = trial.phases[0]
    rule = SGD(first.learning_rate, first.momentum, trial.weight_decay, trial.dampening, trial.nesterov)
    states = []
    for phase in trial.phases:
        rule.learning_rate, rule.momentum = phase.learning_rate, phase.momentum
        gradients = arrays(phase.gradients)
        for _ in range(phase.steps):
            clipped = gradients
            if "global" in trial.thresholds:
                clipped, _ = clip_grad_norm(gradients, trial.thresholds["global"])
            tensors = rule.apply_gradients(clipped, tensors)
            # What is not asked for is not computed: a hundred steps would become one deep graph.
            mx.eval(tensors, rule.state)
        velocity = {name: np.array(rule.state[name]["v"]) for name in tensors} if trial.uses_momentum else {}
        states.append(State({name: np.array(tensor) for name, tensor in tensors.items()}, velocity))
    return states


def clip(gradients: Tensors, thresholds: dict[str, float], norm_type: float) -> tuple[Tensors, float | None]:
    """The clipped gradients, and the norm that the global clip returned."""
    if "global" not in thresholds:
        return gradients, None
    clipped, norm = clip_grad_norm(arrays(gradients), thresholds["global"])
    return {name: np.array(gradient) for name, gradient in clipped.items()}, float(norm)


def arrays(tensors: Tensors) -> dict[str, mx.array]:
    return {
        name: mx.array(values, dtype=mx.float64 if values.dtype == np.float64 else mx.float32)
        for name, values in tensors.items()
    }

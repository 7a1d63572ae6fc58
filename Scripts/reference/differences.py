"""Which trials say nothing about a peer: where a convention departs from it on purpose, or the peer's norm is wrong."""

import numpy as np

from trials import Trial, norm

EPSILON_OF_MLX = 1e-6


def tolerance(steps: int) -> float:
    """What parameters and velocity may differ by, in epsilons of a tensor's largest element."""
    return 16 + 8 * steps


def left_out(trial: Trial, peer) -> bool:
    """Whether a trial gives no reference value."""
    return deliberate_difference(trial, peer.CONVENTION) or inaccurate_norm(trial, peer)


def deliberate_difference(trial: Trial, convention: str) -> bool:
    """Whether the convention departs from its peer on purpose.

    `mlx` is the rule of MLX's Swift library, which keeps a gradient whose norm is below the threshold; the Python
    library shrinks it if the sum of the norm and the epsilon is above. PyTorch refuses the largest element of an empty
    tensor, which here counts as zero.
    """
    if convention == "mlx":
        threshold = trial.thresholds.get("global", 0.0)
        norms = [trial.norm(phase) for phase in trial.phases]
        return any(norm < threshold <= norm + EPSILON_OF_MLX for norm in norms)
    empty = any(not gradient.size for phase in trial.phases for gradient in phase.gradients.values())
    by_norm = "norm" in trial.thresholds or "global" in trial.thresholds
    return convention == "pytorch" and empty and trial.norm_type == np.inf and by_norm


def inaccurate_norm(trial: Trial, peer) -> bool:
    """Whether the norm that a peer's global clip returns is off by more than half of what one step may differ by.

    That happens to thousands of elements that a clip by value made equal: their squares are added one after the other,
    and every rounding goes the same way. PyTorch's norm of 9408 Doubles was off by 62 epsilons.
    """
    if "global" not in trial.thresholds or "value" not in trial.thresholds:
        return False
    limit = trial.thresholds["value"]
    for phase in trial.phases:
        _, returned = peer.clip(phase.gradients, trial.thresholds, trial.norm_type)
        clamped = [np.clip(gradient, -limit, limit) for gradient in phase.gradients.values()]
        reference = norm(clamped, trial.norm_type)
        if abs(returned - reference) > tolerance(1) / 2 * float(np.finfo(trial.dtype).eps) * reference:
            return True
    return False

"""How far a rule of this library and of a peer may be apart after a trial; each bound says what it follows from."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from differences import tolerance
from rule_trials import RuleTrial
from trials import Tensors

# Of the tensor, in the Frobenius norm: for Float 1e-6, and as many epsilons for Double.
MATRIX_EPSILONS = 1e-6 / 2**-23
# PyTorch's factors of the iteration.
A, B, C = 3.4445, -4.7750, 2.0315
ITERATIONS = 5
BFLOAT16_ROUNDOFF = 2.0**-8


def agrees(found: Tensors, expected: Tensors, trial: RuleTrial) -> bool:
    """Whether all tensors are within their bounds."""
    return not beyond(found, expected, trial)


def beyond(found: Tensors, expected: Tensors, trial: RuleTrial) -> list[str]:
    """The tensors that are not within their bounds. Where steps of Muon go further than a tensor is long, what their own
    roundings do to it, on both sides, may be more than the bound of the tensor.
    """
    names = []
    for name, tensor in expected.items():
        apart = share({name: found[name]}, {name: tensor}, trial)
        if apart <= 1:
            continue
        if trial.kind.startswith("muon") and not trial.in_bfloat16:
            epsilon = float(np.finfo(trial.dtype).eps)
            roundings = 2 * rounding_bound(trial, name, epsilon / 2)
            if apart <= roundings / (MATRIX_EPSILONS * epsilon * float(np.linalg.norm(tensor))):
                continue
        names.append(name)
    return names


def is_undecided(found: Tensors, expected: Tensors, trial: RuleTrial, peer: Callable[[RuleTrial], Tensors]) -> bool:
    """Whether the peer itself goes about as far elsewhere when all that it is given changes by one unit of the last place.

    Steps of Muon on a matrix that has almost lost a direction take it from the last digits, those of an exact result too.
    Decay that is part of the gradient brings parameters to where that happens: there the two cancel.
    """
    if not trial.kind.startswith("muon") or trial.in_bfloat16:
        return False
    generator = np.random.default_rng(0)
    others = [peer(neighbour(trial, generator)) for _ in range(4)]

    def distance(one: Tensors, other: Tensors, name: str) -> float:
        return float(np.linalg.norm(one[name].astype(np.float64) - other[name].astype(np.float64)))

    return all(
        distance(found, expected, name) <= 2 * max(distance(other, expected, name) for other in others)
        for name in beyond(found, expected, trial)
    )


def neighbour(trial: RuleTrial, generator: np.random.Generator) -> RuleTrial:
    """The trial with the next number in place of each, up or down."""

    def moved(tensors: Tensors) -> Tensors:
        return {
            name: np.nextafter(x, np.where(generator.random(x.shape) < 0.5, np.inf, -np.inf).astype(x.dtype))
            for name, x in tensors.items()
        }

    phases = [replace(phase, gradients=moved(phase.gradients)) for phase in trial.phases]
    return replace(trial, parameters=moved(trial.parameters), phases=phases)


def share(found: Tensors, expected: Tensors, trial: RuleTrial) -> float:
    """The largest difference, in units of what is allowed; NaN counts as infinite."""
    shares = [share_of(name, found[name].astype(np.float64), t.astype(np.float64), trial) for name, t in expected.items()]
    return max(np.inf if np.isnan(share) else float(share) for share in shares)


def share_of(name: str, found: np.ndarray, expected: np.ndarray, trial: RuleTrial) -> float:
    epsilon = float(np.finfo(trial.dtype).eps)
    if trial.kind.startswith("muon"):
        allowed = MATRIX_EPSILONS * epsilon * np.linalg.norm(expected)
        if trial.in_bfloat16:
            allowed += bfloat16_bound(trial, name)
        return np.linalg.norm(found - expected) / allowed
    size = max(np.abs(expected).max(), np.abs(trial.parameters[name]).max())
    apart = np.abs(found - expected)[~undecided(trial, name)]
    return apart.max(initial=0) / (tolerance(trial.steps) * epsilon * size)


def undecided(trial: RuleTrial, name: str) -> np.ndarray:
    """Which elements moved along a sign that the last digits decide: a peer that rounds in another order may see the other.

    The terms of such a sum carry the roundings of all steps before, of which each has at most four.
    """
    result = np.zeros(trial.parameters[name].shape, bool)
    if trial.kind not in ("lion", "signum"):
        return result
    roundoff = float(np.finfo(trial.dtype).eps) / 2
    step, decay = (trial.settings[key] for key in (("beta1", "beta2") if trial.kind == "lion" else ("momentum",) * 2))
    entering = 1 if trial.kind == "signum" else 1 - decay
    momentum, size = np.zeros(result.shape), np.zeros(result.shape)
    for number, g in enumerate(gradients(trial, name), start=1):
        own = g if trial.kind == "signum" else (1 - step) * g
        total, terms = step * momentum + own, step * size + np.abs(own)
        result |= (total != 0) & (np.abs(total) <= 4 * (number + 1) * roundoff * terms)
        momentum, size = decay * momentum + entering * g, decay * size + entering * np.abs(g)
    return result


def bfloat16_bound(trial: RuleTrial, name: str) -> float:
    """How far rounding to bfloat16 takes PyTorch's Muon from the exact steps, in the Frobenius norm. Sums are kept in Float."""
    return rounding_bound(trial, name, BFLOAT16_ROUNDOFF, wide_sums=True)


def rounding_bound(trial: RuleTrial, name: str, u: float, wide_sums: bool = False) -> float:
    """How far roundings of the iteration take Muon from the exact steps, in the Frobenius norm.

    Each step is worth learning rate times scale times `orthogonalization_error`, and errors of steps add up.
    """
    rate, momentum, decay = (trial.settings[key] for key in ("learningRate", "momentum", "weightDecay"))
    p, velocity, total = trial.parameters[name].astype(np.float64), 0.0, 0.0
    rows, columns = p.shape
    fan = {"optax": columns / rows}.get(trial.peer, rows / columns)
    rate *= 0.2 * np.sqrt(max(rows, columns)) if trial.peer == "keras" else np.sqrt(max(1, fan))
    for step, g in enumerate(gradients(trial, name), start=1):
        g = g + decay * p if trial.peer == "mlx" else g
        entering = g if trial.peer == "keras" else (1 - momentum) * g
        velocity = momentum * velocity + entering
        matrix = entering + momentum * velocity if trial.settings["nesterov"] else velocity
        if trial.peer == "optax" and trial.settings["nesterov"]:
            matrix = entering / (1 - momentum**step) + momentum * velocity / (1 - momentum ** (step + 1))
        total += rate * orthogonalization_error(matrix, u, wide_sums)
        if trial.peer == "mlx":
            p = p - rate * orthogonalized(matrix)
    return total


def orthogonalized(matrix: np.ndarray) -> np.ndarray:
    left, s, right = np.linalg.svd(matrix, full_matrices=False)
    s /= np.linalg.norm(s)
    for _ in range(ITERATIONS):
        s = polynomial(s)
    return (left * s) @ right


def orthogonalization_error(matrix: np.ndarray, u: float, wide_sums: bool) -> float:
    """The Frobenius norm of the error of five steps of Newton-Schulz, to first order in the roundoff u.

    Every stored number is off by at most u, relatively: those of X three times before the first step (its conversion, the
    norm, the quotient), those of G = X Xᵀ once, of B = bG + cG² and of X' = aX + BX twice (the product, the sum). A product
    whose n terms are not added in a wider type is off by the root of n times that. The steps
    that follow let an error grow by their `condition`. Errors of single roundings have no direction of their own, here too:
    along the singular vectors i and j, with the singular values s of X and g of G, that of G comes to
    (b + c(gᵢ + gⱼ))·sⱼ in X', that of B to sⱼ. They are independent, so that their squares add up.
    """
    rows, columns = sorted(matrix.shape)
    s = np.linalg.svd(matrix, compute_uv=False)
    s /= np.linalg.norm(s)
    total = (3 * condition(s, ITERATIONS, columns)) ** 2
    long, short = (1, 1) if wide_sums else (np.sqrt(columns), np.sqrt(rows))
    for left in reversed(range(ITERATIONS)):
        gram = s**2
        of_gram = np.linalg.norm((B + C * (gram[:, None] + gram)) * s) / rows * long * np.linalg.norm(gram)
        of_factor = (1 + short) * np.linalg.norm(B * gram + C * gram**2) * np.linalg.norm(s) / np.sqrt(rows)
        s = polynomial(s)
        brought = of_gram**2 + of_factor**2 + (1 + short) ** 2 * np.sum(s**2)
        total += brought * condition(s, left, columns) ** 2
    return float(u * np.sqrt(total))


def condition(s: np.ndarray, steps: int, columns: int) -> float:
    """By how much some steps let an error grow that has no direction of its own, as that of many roundings: the root of the
    mean of the squares over all directions.

    Along the singular vectors i and j a step U p(S) Vᵀ moves by p'(sᵢ), (p(sᵢ) - p(sⱼ)) / (sᵢ - sⱼ) and
    (p(sᵢ) + p(sⱼ)) / (sᵢ + sⱼ), and by p(sᵢ) / sᵢ where the longer side has no partner (Daleckii and Krein).
    """
    value, slope = s, np.ones_like(s)
    for _ in range(steps):
        slope, value = slope * (A + 3 * B * value**2 + 5 * C * value**4), polynomial(value)
    tiny = np.finfo(np.float64).tiny
    apart, together = s[:, None] - s[None, :], s[:, None] + s[None, :]
    # Values that are equal but for rounding have their slope.
    near = np.abs(apart) <= 1e-8 * together + tiny
    difference = np.where(near, slope[:, None], (value[:, None] - value[None, :]) / np.where(near, 1, apart))
    sums = np.where(together > tiny, (value[:, None] + value[None, :]) / np.maximum(together, tiny), A**steps)
    np.fill_diagonal(sums, 0)
    alone = np.where(s > tiny, value / np.maximum(s, tiny), A**steps)
    # A pair has two directions, and stands twice in each table.
    squares = (np.sum(difference**2) + np.trace(difference**2) + np.sum(sums**2)) / 2
    squares += (columns - s.size) * np.sum(alone**2)
    return float(np.sqrt(squares / (s.size * columns)))


def polynomial(s: np.ndarray) -> np.ndarray:
    return s * (A + B * s**2 + C * s**4)


def gradients(trial: RuleTrial, name: str) -> Iterator[np.ndarray]:
    """That of each step, in Double."""
    for phase in trial.phases:
        for _ in range(phase.steps):
            yield phase.gradients[name].astype(np.float64)

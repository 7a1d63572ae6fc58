"""peers/clips-*.json: gradients before and after a peer's clipping; random ones, and the edge cases."""

from math import inf, isfinite, isnan, nan

import numpy as np

from differences import left_out
from exact import described, number, round_to, text
from norms import norm
from peer_inputs import DTYPES, LAYOUTS, Recipes, clipping_object, norm_order, numbers, scalar_name
from rules import Clipping, clip
from trials import random_trial

SEED = 0xC11B
TRIALS = 40
# What the comparison allows, in units of the type's epsilon times a tensor's largest element.
TOLERANCE = 24


def cases(peer):
    result = []
    number = 0
    while len(result) < TRIALS:
        recipes = Recipes()
        trial = random_trial(np.random.default_rng([SEED, number]), peer.ABILITIES, recipes, (LAYOUTS, LAYOUTS))
        if trial.thresholds and not left_out(trial, peer):
            gradients = list(trial.phases[0].gradients.values())
            result.append(
                case(f"random {number}", peer, peer.clip, gradients, trial.thresholds, trial.norm_type, recipes)
            )
        number += 1
    clips = {"": peer.clip, **getattr(peer, "OTHER_CLIPS", {})}
    kinds = {kind for clipping in peer.ABILITIES.clippings for kind in clipping}
    for scalar in DTYPES:
        for name, kind, tensors, threshold, norm_type in edges(scalar):
            if kind not in kinds or norm_type not in peer.ABILITIES.norm_types:
                continue
            for label, function in clips.items():
                recipes = Recipes()
                dtype = DTYPES[scalar]
                gradients = [recipes.explicit(tensor, (len(tensor),), dtype) for tensor in tensors]
                full = f"{label}: {name}" if label else name
                result.append(case(full, peer, function, gradients, {kind: threshold}, norm_type, recipes, scalar))
    return result


def edges(scalar):
    """Name, kind of clipping, tensors, threshold and norm type of each edge case."""
    top, high, tiny = (3e38, 1e30, 2.0**-100) if scalar == "float" else (1.5e308, 1e200, 2.0**-600)
    least = 2.0**-149 if scalar == "float" else 2.0**-1074
    thirteen, small = [[3.0, 4.0], [12.0]], [[3 / 1024, 4 / 1024]]
    bad = [[1.0, 2.0], [3.0, nan, -1.0]], [[1.0, 2.0], [3.0, -inf, -1.0]], [[1.0, nan], [inf, -1.0]]
    near = float(np.float32(5 / 1024 + 5e-7))
    plain = [
        ("N = 0", [[0.0, -0.0], [0.0]], 1.0),
        ("N = C", thirteen, 13.0),
        ("N < C", thirteen, 20.0),
        ("N < C <= N + 1e-6", small, near),
        ("N > C", thirteen, 6.5),
        ("N > C, tiny C", thirteen, 1e-30),
        ("C = 0", thirteen, 0.0),
        ("C = 0, N = 0", [[0.0], [-0.0, 0.0]], 0.0),
        ("C = inf", thirteen, inf),
        ("C = inf, N = inf", bad[1], inf),
        ("C = inf, NaN in g", bad[0], inf),
        ("C < 0", thirteen, -1.0),
        ("C = NaN", thirteen, nan),
        ("NaN in g", bad[0], 1.0),
        ("Inf in g", bad[1], 1.0),
        ("NaN and Inf in g", bad[2], 1.0),
        ("squares overflow", [[high, high]], 1.0),
        ("N overflows", [[top, -top], [top, top]], 6.0),
        ("squares underflow, N > C", [[3 * tiny, 4 * tiny]], 2.5 * tiny),
        ("squares underflow, N < C", [[3 * tiny, 4 * tiny]], 1.0),
        ("subnormal, N > C", [[3 * least, -4 * least], [84 * least]], 40 * least),
        ("empty tensor", [[3.0, 4.0], [], [12.0]], 6.5),
        ("only an empty tensor", [[]], 1.0),
        ("no tensor", [], 1.0),
    ]
    for kind in ("global", "norm"):
        for name, tensors, threshold in plain:
            yield name, kind, tensors, threshold, 2.0
        for order in (1.0, 2.5, inf):
            for name, tensors, threshold in plain:
                if name in ("N > C", "N < C", "NaN in g", "Inf in g", "empty tensor", "C = 0", "C = inf"):
                    yield f"{name}, p = {norm_order(order)}", kind, tensors, threshold, order
    mixed = [[1.0, -3.0, nan, inf, -inf], [-0.0, 2.0]]
    for name, threshold in [("v = 2", 2.0), ("v = 0", 0.0), ("v = inf", inf), ("v < 0", -2.0), ("v = NaN", nan)]:
        yield name, "value", mixed, threshold, 2.0


def case(name, peer, function, gradients, thresholds, norm_type, recipes, scalar=None):
    tensors = {f"t{i}": gradient for i, gradient in enumerate(gradients)}
    scalar = scalar or scalar_name(gradients[0].dtype)
    flat = [float(value) for tensor in gradients for value in tensor.reshape(-1)]
    total = described(norm(flat, norm_order(norm_type)))["double"]
    due = due_here(peer.CONVENTION, gradients, thresholds, norm_type, scalar)
    try:
        clipped, returned = function(tensors, thresholds, norm_type)
        expected = {"tensors": [numbers(clipped[name]) for name in tensors]}
        if returned is not None:
            expected["returned"] = text(returned)
            if due and not accurate(returned, due.compared, scalar):
                expected["normIsWrong"] = True
    except Exception as error:  # noqa: BLE001  Whatever a peer says of what it refuses.
        clipped, expected = None, {"error": type(error).__name__}
    result = {
        "name": name,
        "scalar": scalar,
        "convention": peer.CONVENTION,
        "clipping": clipping_object(thresholds, norm_type),
        "shapes": [list(gradient.shape) for gradient in gradients],
        "tensors": recipes.written(tensors, list(tensors)),
        "norm": total,
        "expected": expected,
    }
    written = lambda element: element if isinstance(element, float) else round_to(element, scalar)  # noqa: E731
    ours = due and [np.array([written(element) for element in tensor]) for tensor in due.tensors]
    both_refuse = clipped is None and ours is None
    if not both_refuse and (clipped is None or ours is None or not agree(ours, list(clipped.values()))):
        result["ours"] = {"reason": reason(name, peer, thresholds, flat, norm_type, scalar, expected)}
        result["ours"] |= {"refused": True} if ours is None else {"tensors": [numbers(tensor) for tensor in ours]}
    return result


def due_here(convention, gradients, thresholds, norm_type, scalar):
    """What this library's documented rules give, in exact arithmetic; None where they refuse the settings."""
    if any(threshold < 0 or isnan(threshold) for threshold in thresholds.values()):
        return None
    value = thresholds.get("value")
    settings = Clipping(
        value=None if value is None else (-value, value),
        norm=thresholds.get("norm"),
        global_norm=thresholds.get("global"),
        norm_type=norm_order(norm_type),
        convention=convention,
    )
    lists = [[float(element) for element in gradient.reshape(-1)] for gradient in gradients]
    return clip(lists, settings)


def accurate(returned, compared, scalar):
    """Whether a norm is the exact one up to the tolerance."""
    expected = number(described(compared)["double"])
    if not isfinite(expected) or not isfinite(returned):
        return returned == expected or (isnan(returned) and isnan(expected))
    return abs(returned - expected) <= TOLERANCE * float(np.finfo(DTYPES[scalar]).eps) * expected


def agree(ours, theirs):
    """Whether two lists of tensors are the same up to the tolerance, NaN and infinities in the same places."""
    for mine, other in zip(ours, theirs, strict=True):
        other = other.reshape(-1)
        mine, epsilon = mine.astype(other.dtype), np.finfo(other.dtype).eps
        finite = np.isfinite(mine)
        if not np.array_equal(mine[~finite], other[~finite], equal_nan=True) or not np.isfinite(other[finite]).all():
            return False
        least = np.finfo(other.dtype).smallest_subnormal
        size = np.abs(other[finite]).max(initial=0).astype(np.float64)
        off = np.abs(mine[finite].astype(np.float64) - other[finite].astype(np.float64))
        if (off > max(TOLERANCE * float(epsilon) * size, float(least))).any():
            return False
    return True


def reason(name, peer, thresholds, flat, norm_type, scalar, expected):
    """Why this library departs from the peer; a difference without a reason stops the generator."""
    threshold = next(iter(thresholds.values()))
    finite = all(isfinite(value) for value in flat)
    squares = [DTYPES[scalar](value) for value in flat]
    with np.errstate(all="ignore"):
        total = float(np.sum(np.square(squares)))
    if threshold < 0 or isnan(threshold):
        return "a limit that is negative or NaN is refused"
    if threshold == inf:
        return "an infinite limit measures and writes nothing"
    if finite and total == inf:
        return "the norm does not overflow here"
    if finite and any(flat) and total < np.finfo(DTYPES[scalar]).tiny:
        return "the norm does not underflow here"
    if threshold == 0 and not any(flat):
        return "a norm of 0 is left alone; the peer divides 0 by 0"
    if threshold == 0 and peer.CONVENTION == "keras" and "value" in thresholds:
        return "a range of 0 moves every element to 0; Keras does not clip"
    if threshold == 0 and peer.CONVENTION == "keras":
        return "a limit of 0 turns clipping off, as in Keras's optimizers; TensorFlow's operation multiplies by 0"
    if peer.CONVENTION == "mlx" and name.startswith("N < C <="):
        return "the rule of MLX in Swift keeps a norm below the limit; MLX in Python adds 1e-6 first"
    if not flat or name.startswith(("empty tensor", "no tensor")):
        return "an empty tensor, or none at all, is left alone; the peer refuses it"
    raise AssertionError(f"{peer.CONVENTION}, {scalar}, {name}: {expected} differs without a known reason")


ORIGIN = (
    "Gradients after the peer's own clipping, and the norm it returned where it returns one. norm is the exact norm "
    "before clipping, rounded once to Double. Where ours is given, this library departs on purpose: expected is the "
    "peer's value (or the name of its error), ours what is due here and why, from exact arithmetic. normIsWrong: the "
    "norm that the peer returned is not that of the gradients (it overflowed or underflowed)."
)

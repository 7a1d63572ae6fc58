"""clip.json: gradients before and after clipping."""

from fractions import Fraction
from itertools import product
from math import inf, isfinite, nan

from exact import described, round_to, text, to_float
from inputs import SplitMix64
from rules import Clipping, clip

CONVENTIONS = ("native", "pytorch", "keras", "optax", "mlx")


def settings_object(settings):
    return {
        "normType": settings.norm_type,
        "value": [text(bound) for bound in settings.value] if settings.value else None,
        "norm": None if settings.norm is None else text(settings.norm),
        "globalNorm": None if settings.global_norm is None else text(settings.global_norm),
    }


def case(name, scalar, tensors, settings, source="exact", by_hand=None):
    result = clip(tensors, settings)
    if by_hand:
        compare(name, result, by_hand)
    written = lambda value, kind: text(value if isinstance(value, float) else round_to(value, kind))  # noqa: E731
    return {
        "name": name,
        "source": source,
        "scalar": scalar,
        "convention": settings.convention,
        "clipping": settings_object(settings),
        "tensors": [[text(value) for value in tensor] for tensor in tensors],
        "expected": {
            "tensors": [[written(value, scalar) for value in tensor] for tensor in result.tensors],
            "totalNorm": described(result.total),
            "comparedNorm": described(result.compared),
            "coefficient": written(result.coefficient, "double"),
            "tensorCoefficients": [written(value, "double") for value in result.tensor_coefficients],
            "valueClippedCount": result.value_clipped,
            "nanCount": result.nans,
            "infinityCount": result.infinities,
        },
    }


def compare(name, result, by_hand):
    """The numbers worked out by hand, against the exact ones: a slip on either side stops the generator."""
    got = [value for tensor in result.tensors for value in tensor]
    for value, want in zip(got, by_hand, strict=True):
        same = value != value if want != want else value == want or abs(value - Fraction(want)) <= abs(want) * 1e-14
        assert same, (name, float(value), want)


def hand():
    cases = []

    def add(name, tensors, by_hand, scalars=("float", "double"), **settings):
        for scalar in scalars:
            cut = to_float if scalar == "float" else (lambda value: value)
            exact = [[cut(value) for value in tensor] for tensor in tensors]
            cases.append(case(name, scalar, exact, Clipping(**settings), "hand", by_hand))

    for convention in ("native", "keras", "optax"):
        add("[3, 4] to 1", [[3.0, 4.0]], [0.6, 0.8], convention=convention, global_norm=1.0)
    for convention in ("pytorch", "mlx"):
        small, at = [0.599999880000024, 0.799999840000032], [2.99999940000012, 3.99999920000016]
        add("[3, 4] to 1", [[3.0, 4.0]], small, convention=convention, global_norm=1.0)
        add("[3, 4] to 5", [[3.0, 4.0]], at, convention=convention, global_norm=5.0)
    add("[3, 4] to 5", [[3.0, 4.0]], [3.0, 4.0], global_norm=5.0)
    tiny = [3e-9, 4e-9]
    add("norm 5e-9 to 1e-8", [tiny], tiny, ("double",), global_norm=1e-8)
    ratio = float(Fraction(1e-8) / (Fraction(5e-9) + Fraction(1e-6)))
    add("norm 5e-9 to 1e-8", [tiny], [x * ratio for x in tiny], ("double",), convention="pytorch", global_norm=1e-8)
    add("two tensors, global 6.5", [[3.0, 4.0], [12.0]], [1.5, 2.0, 6.0], global_norm=6.5)
    add("two tensors, each 6", [[3.0, 4.0], [12.0]], [3.0, 4.0, 6.0], norm=6.0)
    all_three = dict(value=(-4.0, 4.0), norm=4.0, global_norm=2.5)
    add("value, norm and global norm", [[3.0, 40.0], [3.0]], [1.2, 1.6, 1.5], **all_three)
    add("value with non-finite", [[1.0, -3.0, nan, inf, -inf]], [1.0, -2.0, nan, 2.0, -2.0], value=(-2.0, 2.0))
    half = 0.7071067811865476
    add("squares overflow", [[1e30, 1e30]], [half] * 2, ("float",), global_norm=1.0)
    add("squares overflow", [[1e200, 1e200]], [half] * 2, ("double",), global_norm=1.0)
    add("norm beyond Float", [[3e38] * 4], [3.0] * 4, ("float",), global_norm=6.0)
    add("norm beyond Double", [[1.5e308] * 4], [3.0] * 4, ("double",), global_norm=6.0)
    return cases


def sets(scalar):
    """Sets of tensors: an exact norm of 13; random; near the top of the range; subnormal; zero; with an empty tensor."""
    draws = SplitMix64(0xC11B if scalar == "float" else 0xC11C)
    random = lambda count, scale: [  # noqa: E731
        ((draws.next() >> 40) - (1 << 23)) * 2.0**-23 * scale for _ in range(count)
    ]
    top, least = (2.0**127, 2.0**-149) if scalar == "float" else (2.0**1023, 2.0**-1074)
    return [
        ("norm 13", [[3.0, 4.0], [12.0]], 13.0),
        ("random", [random(5, 1.0), random(9, 4.0), random(1, 0.5)], 5.0),
        ("near overflow", [[top, -top, top, top], [top / 2]], top),
        ("subnormal", [[least * k for k in (3, -4, 12)], [least * 84]], least * 40),
        ("zero and empty", [[0.0, -0.0], [], [0.0]], 1.0),
    ]


def cases():
    result = hand()
    for scalar, convention in product(("float", "double"), CONVENTIONS):
        for label, tensors, near in sets(scalar):
            thresholds = [near / 2, near, near * 1.5, 0.0, inf, 1e-30]
            for threshold in thresholds:
                settings = Clipping(global_norm=threshold, convention=convention)
                result.append(case("%s, global %g" % (label, threshold), scalar, tensors, settings))
            for threshold in (near / 4, near):
                settings = Clipping(norm=threshold, convention=convention)
                result.append(case("%s, each %g" % (label, threshold), scalar, tensors, settings))
            settings = Clipping(value=(-near / 8, near / 8), convention=convention)
            result.append(case("%s, value" % label, scalar, tensors, settings))
            if label == "random":
                result += variants(scalar, convention, label, tensors, near)
        result += non_finite(scalar, convention)
    return result


def variants(scalar, convention, label, tensors, near):
    """Other norms, one-sided values, and several clips at once."""
    result = []
    for order in ("1", "inf", "3", "2.5", "0.5"):
        settings = Clipping(global_norm=near / 4, norm_type=order, convention=convention)
        result.append(case("%s, p = %s" % (label, order), scalar, tensors, settings))
    for bounds in ((-inf, 0.25), (-0.5, inf), (0.0, 0.0)):
        if convention == "native":
            result.append(case("%s, value %g ... %g" % (label, *bounds), scalar, tensors, Clipping(value=bounds)))
    if convention != "keras":
        settings = Clipping((-1.5, 1.5), near / 4, near / 3, convention=convention)
        result.append(case("%s, all three" % label, scalar, tensors, settings))
        settings = Clipping(None, near / 4, near / 3, "1", convention)
        result.append(case("%s, two, p = 1" % label, scalar, tensors, settings))
    return result


def non_finite(scalar, convention):
    result = []
    for label, bad in (("nan", [nan]), ("inf", [-inf]), ("nan and inf", [inf, nan])):
        tensors = [[1.0, 2.0], [3.0, *bad, -1.0]]
        for settings in (Clipping(global_norm=1.0, convention=convention), Clipping(norm=1.0, convention=convention)):
            kind = "global" if settings.norm is None else "each"
            result.append(case("%s, %s" % (label, kind), scalar, tensors, settings))
        settings = Clipping(global_norm=inf, convention=convention)
        result.append(case("%s, measured" % label, scalar, tensors, settings))
    return result


ORIGIN = (
    "Cases of source hand: worked out by hand; the generator stops if its exact values differ. Others: rational "
    "arithmetic, norms cut at 320 bits with a sticky bit, every expected number rounded once. Non-finite cases are "
    "those of the policy propagate."
)

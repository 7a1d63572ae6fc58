"""Exact norms of vectors of floats, and the fixture norms.json."""

from fractions import Fraction
from math import isinf, isnan, lcm

from mpmath import mp, mpf

from exact import INFINITY, NAN, described, root, text
from inputs import recipe

DIGITS = 200


def norm(values, order):
    """The p-norm: a Fraction that rounds correctly, or a float nan (an element is NaN) or inf (an element is infinite)."""
    if any(isnan(value) for value in values):
        return NAN
    if any(isinf(value) for value in values):
        return INFINITY
    return rational_norm([Fraction(value) for value in values], order)


def rational_norm(values, order):
    """The p-norm of Fractions, their denominators of any kind."""
    shared = lcm(*(value.denominator for value in values))
    whole = [value.numerator * (shared // value.denominator) for value in values]
    return whole_norm(whole, order) / (1 if order == "0" else shared)


def whole_norm(whole, order):
    if order == "0":
        return Fraction(sum(k != 0 for k in whole))
    if order == "inf":
        return Fraction(max(map(abs, whole), default=0))
    if order == "1":
        return Fraction(sum(map(abs, whole)))
    if order == "2":
        return root(Fraction(sum(k * k for k in whole)), 2)
    if order == "3":
        return root(Fraction(sum(abs(k) ** 3 for k in whole)), 3)
    return fractional_norm(whole, order)


def fractional_norm(whole, order):
    """p = 0.5 or 2.5, by square roots alone, with DIGITS digits."""
    with mp.workdps(DIGITS + 20):
        total = mpf(0)
        for k in whole:
            magnitude = mpf(abs(k))
            total += mp.sqrt(magnitude) * (magnitude**2 if order == "2.5" else 1)
        if total == 0:
            return Fraction(0)
        result = total**2 if order == "0.5" else total ** (mpf(2) / 5)
        sign, man, exp, _ = result._mpf_
        return int(man) * Fraction(2) ** int(exp)


# Seed, kind and fields of each distribution. Exponent fields are biased, as stored in the bits.
def distributions(scalar):
    top = 2046 if scalar == "double" else 254
    big, small = ("0x1p+600", "0x1p-600") if scalar == "double" else ("0x1p+80", "0x1p-80")
    return [
        ("uniform", "uniform", {}),
        ("signed", "signed", {}),
        ("normal", "normal", {}),
        ("constant one", "constant", {"value": text(1.0)}),
        ("constant tenth", "constant", {"value": text(0.1 if scalar == "double" else 0.10000000149011612)}),
        ("whole exponent range", "bits", {"exponents": [0, top]}),
        ("near overflow", "bits", {"exponents": [top - 2, top]}),
        ("near underflow", "bits", {"exponents": [0, 3]}),
        ("subnormal", "bits", {"exponents": [0, 0]}),
        ("squares underflow", "bits", {"exponents": [60, 70] if scalar == "float" else [480, 500]}),
        ("squares overflow", "bits", {"exponents": [190, 195] if scalar == "float" else [1535, 1545]}),
        ("giant among dwarfs", "constant", {"value": small, "giant": big}),
        ("giant among units", "signed", {"giant": text(2.0**40)}),
    ]


LENGTHS = [1, 2, 3, 7, 31, 32, 33, 63, 64, 65, 100, 1000, 2047, 2048, 2049, 2081, 4095, 4096, 5000]


def cases():
    result = []
    for scalar in ("float", "double"):
        for index, (label, kind, fields) in enumerate(distributions(scalar)):
            lengths = LENGTHS if index in (1, 5) else LENGTHS[index % 3 :: 3] + [2049, 4096]
            if kind in ("uniform", "signed", "normal"):
                lengths = lengths + [20000]
            if label in ("signed", "constant tenth"):
                lengths = lengths + [100000]
            for count in sorted(set(lengths)):
                result.append(case(scalar, label, kind, dict(fields), count, index))
        result.append(case(scalar, "empty", "values", {"values": []}, 0, 0))
        # Long enough that a sum kept in Float over the whole vector shows.
        if scalar == "float":
            result.append(case(scalar, "uniform", "uniform", {}, 1_000_000, 0))
        for special in (["nan"], ["inf"], ["-inf"], ["inf", "nan"]):
            replace = [[17 + 1000 * i, literal] for i, literal in enumerate(special)]
            result.append(case(scalar, "special " + " ".join(special), "signed", {"replace": replace}, 3000, 20))
        spec, values = recipe("values", 2, scalar, values=["0x1.8p+1", "-0x1p+2"])
        orders = {order: described(norm(values, order)) for order in ("0", "1", "2", "3", "inf")}
        assert orders["3"]["double"] == text(4.497941445275415) and orders["1"]["double"] == text(7.0)
        result.append({"name": "[3, -4] by hand", "scalar": scalar, "input": spec, "norms": orders})
    return result


def case(scalar, label, kind, fields, count, index):
    if kind not in ("constant", "values"):
        fields["seed"] = (0x9D0B << 32) + (index << 24) + count + (1 << 60 if scalar == "double" else 0)
    if "giant" in fields:
        giant = fields.pop("giant")
        fields["replace"] = [[count * 2 // 3, giant]]
    spec, values = recipe(kind, count, scalar, **fields)
    orders = ["2", "1", "inf"]
    if count <= 2049:
        orders += ["3", "2.5", "0.5"]
    return {
        "name": "%s, %d" % (label, count),
        "scalar": scalar,
        "input": spec,
        "norms": {order: described(norm(values, order)) for order in orders},
    }


ORIGIN = (
    "Exact sums of integer powers of the elements as integers, roots cut at 320 bits with a sticky bit; p = 0.5 and 2.5 "
    "with 200 decimal digits. Inputs by recipe, see README.md."
)

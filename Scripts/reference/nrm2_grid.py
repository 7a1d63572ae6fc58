"""nrm2-grid.json: SB1NRM2 and DB1NRM2, ten values by ten values, at short and at long lengths."""

from math import inf, nan, sqrt

from exact import described, text, to_float
from inputs import checksum, elements
from norms import norm

# LAPACK 3.12.0, BLAS/TESTING/sblat1.f and dblat1.f: 0, 2 SAFMIN, SMLNUM, ULP, 1, 1/ULP, BIGNUM, SAFMAX, Inf, NaN, as
# the powers of two that the Fortran's decimal constants stand for.
VALUES = {
    "float": [0.0, 2.0**-125, 2.0**-103, 2.0**-23, 1.0, 2.0**23, 2.0**103, 2.0**126, inf, nan],
    "double": [0.0, 2.0**-1021, 2.0**-970, 2.0**-52, 1.0, 2.0**52, 2.0**970, 2.0**1022, inf, nan],
}
LENGTHS = [1, 2, 3, 4, 65, 2047, 2048, 2049, 2081, 4095]


def vector(scalar, count, first, rest, factor, unit):
    """x(1) = v0, halved if > 1; x(i) = v1 U(i), v1 multiplied by factor before if > 1. Every product is rounded once."""
    cut = to_float if scalar == "float" else (lambda value: value)
    rest = cut(rest * factor) if rest > 1 else rest
    return [first / 2 if first > 1 else first] + [cut(rest * u) for u in unit]


def cases():
    result = []
    for scalar, values in VALUES.items():
        for count in LENGTHS:
            recipe = {"kind": "signed", "count": count - 1, "seed": "0x%016x" % (0x6B1D0000 + count)}
            unit = elements(recipe, scalar)
            assert all(unit)
            recipe["fnv1a"] = checksum(unit, scalar)
            factor = 0.5 / sqrt(count) if scalar == "double" else to_float(0.5 / sqrt(count))
            norms = [
                [described(norm(vector(scalar, count, first, rest, factor, unit), "2")) for rest in values]
                for first in values
            ]
            result.append(
                {
                    "name": "n = %d" % count,
                    "scalar": scalar,
                    "count": count,
                    "values": [text(value) for value in values],
                    "factor": text(factor),
                    "unit": recipe,
                    "norms": norms,
                }
            )
    return result


ORIGIN = (
    "The grid of SB1NRM2 and DB1NRM2 (LAPACK 3.12.0, from Algorithm 978, Hanson and Hopkins) with other U(-1,1), by "
    "recipe. norms[i][j] is the norm for v0 = values[i], v1 = values[j] from exact integer arithmetic "
    "instead of the Fortran's rounded formula; its pass rule is |r - z| / z / (n ULP) < 10."
)

"""Input vectors by recipe: SplitMix64 and integer arithmetic only, so that any language can make the same bits.

Tests/Fixtures/README.md defines every recipe; Sources/MomentumReference/Inputs/ReferenceInput.swift is the other
implementation. A recipe carries the FNV-1a checksum of the vector's bytes, so that a difference between the two
generators is told apart from a wrong result.
"""

import struct
from fractions import Fraction

from exact import round_to, text, number, to_float

MASK = (1 << 64) - 1
SIGNIFICAND = {"double": 53, "float": 24}
BYTES = {"double": "d", "float": "f"}


class SplitMix64:
    """Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014)."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)


def fnv1a(data):
    """FNV-1a, 64 bits."""
    digest = 0xCBF29CE484222325
    for byte in data:
        digest = ((digest ^ byte) * 0x100000001B3) & MASK
    return digest


def digest_text(digest):
    return "0x%016x" % digest


def checksum(values, scalar):
    return digest_text(fnv1a(struct.pack("<%d%s" % (len(values), BYTES[scalar]), *values)))


def from_bits(bits, scalar):
    if scalar == "double":
        return struct.unpack("<d", struct.pack("<Q", bits))[0]
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def elements(recipe, scalar):
    """The vector a recipe stands for, as Python floats that are exact in the scalar type."""
    count, kind = recipe["count"], recipe["kind"]
    bits = SIGNIFICAND[scalar]
    draws = SplitMix64(int(recipe.get("seed", "0x0"), 16))
    scale = 2.0 ** recipe.get("exponent", 0)
    if kind == "values":
        values = [number(literal) for literal in recipe["values"]]
    elif kind == "constant":
        values = [number(recipe["value"])] * count
    elif kind == "uniform":
        values = [(draws.next() >> (64 - bits)) * 2.0**-bits * scale for _ in range(count)]
    elif kind == "signed":
        half = 1 << (bits - 1)
        values = [((draws.next() >> (64 - bits)) - half) * 2.0 ** (1 - bits) * scale for _ in range(count)]
    elif kind == "normal":
        values = []
        for _ in range(count):
            total = -6 << 32
            for _ in range(6):
                draw = draws.next()
                total += (draw >> 32) + (draw & 0xFFFFFFFF)
            values.append(round_to(Fraction(total, 1 << 32), scalar) * scale)
    elif kind == "bits":
        low, high = recipe["exponents"]
        values = []
        for _ in range(count):
            first, second = draws.next(), draws.next()
            field = low + (first & (MASK >> 1)) % (high - low + 1)
            fraction = second >> (65 - bits)
            sign = (first >> 63) << (63 if scalar == "double" else 31)
            values.append(from_bits(sign | field << (bits - 1) | fraction, scalar))
    elif kind == "growing":
        low, high = number(recipe["low"]), number(recipe["high"])
        cut = to_float if scalar == "float" else (lambda value: value)
        slope = cut(high - low)
        values = [cut(low + cut(cut(slope * i) / count)) for i in range(count)]
    elif kind == "sine":
        values = sine(count)
    else:
        raise ValueError("no recipe of kind " + kind)
    for index, literal in recipe.get("replace", []):
        values[index] = number(literal)
    return values


def sine(count):
    """Float only: sin(2 pi q) with q = i / count rounded to Float, the argument in Double, the result rounded once."""
    from math import pi

    from mpmath import mp, mpf, sin

    with mp.workprec(200):
        return [to_float(float(sin(mpf(2 * pi * to_float(i / count))))) for i in range(count)]


def recipe(kind, count, scalar, **fields):
    """A recipe with its checksum, and the vector."""
    if isinstance(fields.get("seed"), int):
        fields["seed"] = "0x%016x" % fields["seed"]
    result = {"kind": kind, "count": count, **fields}
    values = elements(result, scalar)
    result["fnv1a"] = checksum(values, scalar)
    return result, values


def explicit(values, scalar):
    """A short vector, written out."""
    return recipe("values", len(values), scalar, values=[text(value) for value in values])

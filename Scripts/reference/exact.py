"""Exact numbers, correctly rounded numbers, and how both are written to the fixtures.

An exact value is a Fraction. A square or cube root is cut to more than 300 bits with the rest recorded in its last bit
("round to odd"), so that rounding it once more, to any format below 300 bits, is correct rounding of the true root.
"""

import struct
from fractions import Fraction
from math import inf, isqrt, nan

ROOT_BITS = 320

# Significand bits and the exponent of the lowest subnormal bit.
FORMATS = {"double": (53, -1074, 1023), "float": (24, -149, 127)}


def to_float(value):
    """A Python float rounded to Float; beyond the range, an infinity."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return inf if value > 0 else -inf


def floor_log2(value):
    """The exponent e with 2^e <= value < 2^(e+1), of a positive Fraction."""
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    return exponent if value >= Fraction(2) ** exponent else exponent - 1


def round_to_multiple(value, exponent):
    """The multiple of 2^exponent nearest to a Fraction, ties to even."""
    unit = Fraction(2) ** exponent
    return round(value / unit) * unit


def round_to(value, scalar):
    """A Fraction rounded to nearest even in a format; beyond the range, an infinity, as IEEE 754 has it."""
    if value == 0:
        return 0.0
    bits, lowest, highest = FORMATS[scalar]
    magnitude = abs(value)
    unit = max(floor_log2(magnitude) - bits + 1, lowest)
    rounded = round_to_multiple(magnitude, unit)
    if rounded >= Fraction(2) ** (highest + 1):
        return inf if value > 0 else -inf
    result = float(rounded)
    return result if value > 0 else -result


def root(value, degree):
    """The square (2) or cube (3) root of a Fraction, rounded to odd at ROOT_BITS or more bits; exact if it fits."""
    if value == 0:
        return Fraction(0)
    shift = max(0, ROOT_BITS * degree - floor_log2(value))
    shift += -shift % degree
    scaled = (value.numerator << shift) // value.denominator
    remainder = (value.numerator << shift) % value.denominator
    low = isqrt(scaled) if degree == 2 else cube_root(scaled)
    exact = remainder == 0 and low**degree == scaled
    return Fraction(2 * low + (0 if exact else 1), 2) / Fraction(2) ** (shift // degree)


def cube_root(value):
    """The integer cube root, by Newton's iteration from above."""
    guess = 1 << -(-value.bit_length() // 3)
    while True:
        better = (2 * guess + value // (guess * guess)) // 3
        if better >= guess:
            return guess
        guess = better


def text(value):
    """A Python float as the fixtures write it: a hexadecimal literal, or nan, inf, -inf."""
    if value != value:
        return "nan"
    if value in (inf, -inf):
        return "inf" if value > 0 else "-inf"
    head, exponent = value.hex().split("p")
    return (head.rstrip("0").rstrip(".") if "." in head else head) + "p" + exponent


def number(literal):
    """The inverse of text()."""
    return float(literal) if literal in ("nan", "inf", "-inf") else float.fromhex(literal)


def described(value):
    """An exact, non-negative value (Fraction, or a float nan or inf) for the fixtures.

    value = (significand + tail) * 2^exponent up to 2^-100, significand in [1, 2): exact in any range. double and float
    are the value rounded once to that format.
    """
    if isinstance(value, float):
        return {"class": text(value), "double": text(value), "float": text(value)}
    if value == 0:
        return {"class": "zero", "double": text(0.0), "float": text(0.0)}
    exponent = floor_log2(value)
    significand = value / Fraction(2) ** exponent
    head = round_to(significand, "double")
    tail = significand - Fraction(head)
    # A p-th power that is exactly representable comes back from 200 digits with dust far below the tail's last bit.
    tail = 0.0 if abs(tail) < Fraction(2) ** -250 else round_to(tail, "double")
    return {
        "class": "finite",
        "significand": text(head),
        "tail": text(tail),
        "exponent": exponent,
        "double": text(round_to(value, "double")),
        "float": text(round_to(value, "float")),
    }


NAN = nan
INFINITY = inf

"""reproblas.json: the golden results of ReproBLAS's own tests, beside exact values."""

import struct
from fractions import Fraction
from pathlib import Path

from exact import FORMATS, described, floor_log2, number, text
from inputs import BYTES, checksum, elements
from norms import norm

COUNT = 4095
# kind: golden nrm2 and asum in Double, then in Float.
GOLDEN = {
    "2_rand-1": ("0x1.255435f6e52aep+5", "0x1.fba981146e263p+10", "0x1.2879bep+5", "0x1.012218p+11"),
    "normal": ("0x1.02d4dc147b319p+6", "0x1.9b64b5d7c1d67p+11", "0x1.f9ba9cp+5", "0x1.9425fp+11"),
    "rand+(rand-1)": ("0x1.9d5bd9f3eea61p+4", "0x1.5031163f4c6ccp+10", "0x1.9cdebcp+4", "0x1.4ebf6cp+10"),
    "rand": ("0x1.293cdcbb84606p+5", "0x1.020074cca3feap+11", "0x1.2b0de2p+5", "0x1.02f3b6p+11"),
    "rand_cond": ("0x1.a68f4b231a9c7p+3", "0x1.035347509793fp+8", "0x1.a46246p+3", "0x1.00bb1p+8"),
    "sine": ("0x1.69fe95eb7dd64p+5", "0x1.45dea6a008d85p+11", "0x1.69fe96p+5", "0x1.45dea8p+11"),
    "small+grow_big": ("0x1.27835baada88ep+40", "0x1.ffc0000000000p+45", "0x1.27835ep+20", "0x1.ffc002p+25"),
    "small+rand_big": ("0x1.26cecf9fe6151p+40", "0x1.fde1a682dab1ep+45", "0x1.2698a2p+20", "0x1.fd8832p+25"),
}
# The inputs that a formula gives bit for bit. The others were drawn with the time as seed.
FORMULAS = {
    ("float", "sine"): {"kind": "sine"},
    ("float", "small+grow_big"): {"kind": "growing", "low": "0x1p-10", "high": "0x1p+15"},
    ("double", "small+grow_big"): {"kind": "growing", "low": "0x1p-20", "high": "0x1p+35"},
}


def cases():
    result = []
    for scalar in ("float", "double"):
        for kind, golden in GOLDEN.items():
            if (scalar, kind) not in FORMULAS:
                continue
            recipe = {**FORMULAS[scalar, kind], "count": COUNT}
            values = elements(recipe, scalar)
            recipe["fnv1a"] = checksum(values, scalar)
            nrm2, asum = golden[:2] if scalar == "double" else golden[2:]
            result.append(
                {
                    "name": kind,
                    "scalar": scalar,
                    "input": recipe,
                    "golden": {"2": text(number(nrm2)), "1": text(number(asum))},
                    "norms": {order: described(norm(values, order)) for order in ("2", "1")},
                }
            )
    return result


def compare(folder):
    """Checks all 32 golden values against the original inputs: each within 1 ulp of the exact norm."""
    good = True
    for kind, golden in GOLDEN.items():
        for letter, scalar, pair in (("d", "double", golden[:2]), ("s", "float", golden[2:])):
            data = Path(folder, "%s_%s_N%d.dat" % (letter, kind, COUNT)).read_bytes()
            values = struct.unpack("<%d%s" % (COUNT, BYTES[scalar]), data[4:])
            for order, literal in zip(("2", "1"), pair):
                exact = norm(values, order)
                error = abs(Fraction(number(literal)) - exact) / ulp(exact, scalar)
                good = good and error < 1
                print("  %-6s %-15s %s-norm %-22s error %.3f ulp" % (scalar, kind, order, literal, error))
            recipe = FORMULAS.get((scalar, kind))
            if recipe:
                same = tuple(elements({**recipe, "count": COUNT}, scalar)) == values
                good = good and same
                print("  %-6s %-15s recipe %s the original input" % (scalar, kind, "equals" if same else "differs from"))
    return good


def ulp(exact, scalar):
    return Fraction(2) ** (floor_log2(exact) - FORMATS[scalar][0] + 1)


ORIGIN = (
    "Golden results: willow-ahrens/ReproBLAS, commit dfb81505, tests/checks/data (University of California, BSD-style "
    "licence). Only three of its sixteen real inputs follow from a formula and are here: 6 of 32 values. The others were "
    "drawn with the time as seed; make-reference.sh --reproblas DATA compares all 32 with the exact norms of a checkout."
)

"""blas-check1.json and blas-check2.json: the level-1 tables of the reference BLAS test programs.

The tables are decimal numbers; expected values are those decimals rounded to the scalar type, judged by the STEST rule.
"""

from decimal import Decimal
from fractions import Fraction

from exact import round_to, text

STEST = {
    "rule": "pass iff |got - want| <= 1024 * eps * |size|; a size of 0 asks for equality",
    "sfac": text(2.0**-10),
    "eps": {"float": text(2.0**-23), "double": text(2.0**-52)},
}


def numbers(decimals, scalar):
    return [text(round_to(Fraction(Decimal(d)), scalar)) for d in decimals.split()]


def one(decimal, scalar):
    return numbers(decimal, scalar)[0]


# Vectors of CHECK1 for N = 0 ... 4: 8 entries, of which the first 2 max(N, 1) are used.
X1 = [".1 2 2 2 2 2 2 2", ".3 3 3 3 3 3 3 3", ".3 -.4 4 4 4 4 4 4", ".2 -.6 .3 5 5 5 5 5", ".1 -.3 .5 -.1 6 6 6 6"]
X2 = [".1 8 8 8 8 8 8 8", ".3 9 9 9 9 9 9 9", ".3 2 -.4 2 2 2 2 2", ".2 3 -.6 5 .3 2 2 2", ".1 4 -.3 6 -.5 7 -.1 3"]
NRM2 = ["0", ".3", ".5", ".7", ".6"]
ASUM = ["0", ".3", ".7", "1.1", "1.0"]
IAMAX = [0, 1, 2, 2, 3]
IAMAX_OF_42 = [0, 1, 1, 1, 1]
ALPHA1 = [".3", "-1", "0", "1", ".3"]
ALPHA2 = [".3"] * 5
SCAL1 = [".1 2 2 2 2 2 2 2", "-.3 3 3 3 3 3 3 3", "0 0 4 4 4 4 4 4", ".2 -.6 .3 5 5 5 5 5", ".03 -.09 .15 -.03 6 6 6 6"]
SCAL2 = [".1 8 8 8 8 8 8 8", ".09 9 9 9 9 9 9 9", ".09 2 -.12 2 2 2 2 2", ".06 3 -.18 5 .09 2 2 2",
         ".03 4 -.09 6 -.15 7 -.03 3"]  # fmt: skip


def check1():
    result = []
    for scalar in ("float", "double"):
        for stride, vectors, alphas, scaled in ((1, X1, ALPHA1, SCAL1), (2, X2, ALPHA2, SCAL2)):
            for n in range(5):
                x = numbers(vectors[n], scalar)
                head = {"scalar": scalar, "count": n, "incx": stride, "x": x}
                for operation, table in (("nrm2", NRM2), ("asum", ASUM)):
                    want = one(table[n], scalar)
                    result.append({"operation": operation, **head, "expected": [want], "size": [want]})
                result.append({"operation": "iamax", **head, "index": IAMAX[n]})
                want = numbers(scaled[n], scalar)
                result.append(
                    {"operation": "scal", **head, "alpha": one(alphas[n], scalar), "expected": want, "size": want}
                )
        for n in range(5):
            x = numbers("42 " * 4, scalar)
            result.append(
                {"operation": "iamax", "scalar": scalar, "count": n, "incx": 1, "x": x, "index": IAMAX_OF_42[n]}
            )
        x = numbers("8 -7 9 5 9 8 7 7", scalar)
        result.append({"operation": "iamax", "scalar": scalar, "count": 8, "incx": 1, "x": x, "index": 3})
    return result


X = ".6 .1 -.5 .8 .9 -.3 -.4"
Y = ".5 -.9 .3 .7 -.6 .2 .8"
COUNTS = [0, 1, 2, 4]
STRIDES = [(1, 1), (2, -2), (-2, 1), (-1, -2)]
DOT = ["0 .30 .21 .62", "0 .30 -.07 .85", "0 .30 -.79 -.74", "0 .30 .33 1.27"]
DOT_SIZE = "0 .3 1.6 3.2"
AXPY_2 = [".68 -.87", ".35 -.9 .48", ".35 -.72", ".68 -.9 .33"]
AXPY_4 = [".68 -.87 .15 .94", ".38 -.9 .57 .7 -.75 .2 .98", ".38 -.63 .15 .88", ".68 -.9 .33 .7 -.75 .2 1.04"]


def check2():
    result = []
    for scalar in ("float", "double"):
        x, y = numbers(X, scalar), numbers(Y, scalar)
        for column, (incx, incy) in enumerate(STRIDES):
            for row, n in enumerate(COUNTS):
                head = {"scalar": scalar, "count": n, "incx": incx, "incy": incy, "x": x, "y": y}
                result.append(
                    {
                        "operation": "dot",
                        **head,
                        "expected": [numbers(DOT[column], scalar)[row]],
                        "size": [numbers(DOT_SIZE, scalar)[row]],
                    }
                )
                result.append(
                    {
                        "operation": "axpy",
                        **head,
                        "alpha": one(".3", scalar),
                        **touched([".5", ".68", AXPY_2[column], AXPY_4[column]][row], y, scalar, "0" if n == 0 else "1.17"),
                    }
                )
                result.append({"operation": "copy", **head, **copied(x, y, n, incx, incy)})
        result += positive(scalar)
    return result


def touched(decimals, y, scalar, size):
    """y after the call: the table gives its first elements, the others keep their bits."""
    head = numbers(decimals, scalar)
    return {"expected": head + y[len(head) :], "size": [one(size, scalar)] * len(head) + [one("0", scalar)] * (len(y) - len(head))}


def places(count, stride):
    """The reference BLAS rule: with a negative stride, element 0 lies at (1 - count) * stride."""
    start = 0 if stride > 0 else (1 - count) * stride
    return [start + i * stride for i in range(count)]


def copied(x, y, count, incx, incy):
    out = list(y)
    for i, j in zip(places(count, incx), places(count, incy)):
        out[j] = x[i]
    return {"expected": out, "size": ["0x0p+0"] * len(out)}


def positive(scalar):
    """The same vectors with strides that every BLAS accepts, computed from the decimals and rounded once."""
    result = []
    x = [Fraction(Decimal(d)) for d in X.split()]
    y = [Fraction(Decimal(d)) for d in Y.split()]
    rounded = lambda values: [text(round_to(v, scalar)) for v in values]  # noqa: E731
    for incx, incy in ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3)):
        for n in (0, 1, 2, 3, 4):
            xs, ys = places(n, incx), places(n, incy)
            if n and (max(xs) >= len(x) or max(ys) >= len(y)):
                continue
            head = {"scalar": scalar, "count": n, "incx": incx, "incy": incy, "x": rounded(x), "y": rounded(y)}
            dot = sum((x[i] * y[j] for i, j in zip(xs, ys)), Fraction(0))
            size = sum((abs(x[i] * y[j]) for i, j in zip(xs, ys)), Fraction(0))
            result.append({"operation": "dot", **head, "expected": rounded([dot]), "size": rounded([size])})
            out, sizes = list(y), [Fraction(0)] * len(y)
            for i, j in zip(xs, ys):
                out[j] = Fraction(3, 10) * x[i] + y[j]
                sizes[j] = Fraction("1.17")
            result.append(
                {
                    "operation": "axpy",
                    **head,
                    "alpha": one(".3", scalar),
                    "expected": rounded(out),
                    "size": rounded(sizes),
                }
            )
            result.append({"operation": "copy", **head, **copied(rounded(x), rounded(y), n, incx, incy)})
    return result


ORIGIN1 = (
    "CHECK1 of Reference-LAPACK BLAS/TESTING/sblat1.f and dblat1.f. iamax counts from 1, 0 for an empty vector. "
    "Elements that the call does not touch must keep their bits."
)
ORIGIN2 = (
    "CHECK2 of Reference-LAPACK BLAS/TESTING/sblat1.f and dblat1.f: dot, axpy and copy for (incx, incy) = (1,1), (2,-2), "
    "(-2,1), (-1,-2). A negative stride walks backwards: element i of n lies at (1 - n) * inc + i * inc from the base. "
    "Rows with two positive strides other than (1,1) are ours: same vectors, exact values of the decimals rounded once."
)

"""The matrices that Muon is measured with, and whether its steps have led where they should.

A gradient is `H D K` with the reflections `H = I - 2 u uᵀ` and `K = I - 2 w wᵀ` of random unit vectors, and falling numbers
on the diagonal of D, spread as the singular values of random numbers are: so its singular values are known, every element of
it is a short sum, and so is every element of what the steps of Newton-Schulz make of it, `H p(D) K`. Steps in Double, as they
are written down, give the same, but take minutes for large matrices. `momentum bench --matrices` times this library, on
matrices of its own with the same singular values, which it also mixes over all rows: only its time depends on the matrix.
"""

from math import sqrt

import numpy as np

from shapes import Shape, count, gpt2

# Five of them, with the factors of Keller Jordan.
NEWTON_SCHULZ_STEPS = 5
FACTORS = (3.4445, -4.7750, 2.0315)
LEARNING_RATE = 0.02
MOMENTUM = 0.95
CHECKED_STEPS = 3
# The distance of a matrix from the right one, relative to its norm: in Float the roundings of sums of so many products,
# which small singular values feel most; in bfloat16, of 8 bits, those of all elements and of 15 products.
TOLERANCE = {"Float": 1e-3, "bfloat16": 5e-2}
TITLE = f"Muon, {NEWTON_SCHULZ_STEPS} steps of Newton-Schulz, Nesterov momentum {MOMENTUM}, Float"


def shapes(name: str) -> list[Shape]:
    """Reads 768x3072, and gpt2 for the 48 matrices of its blocks."""
    if name == "gpt2":
        # Without the embeddings, which come first.
        return [shape for shape in gpt2()[2:] if len(shape) == 2]
    rows, columns = (int(side) for side in name.split("x"))
    if min(rows, columns) < 1:
        raise ValueError(name)
    return [(rows, columns)]


def polynomial(s: np.ndarray) -> np.ndarray:
    """What the steps make of singular values."""
    a, b, c = FACTORS
    for _ in range(NEWTON_SCHULZ_STEPS):
        s = s * (a + s**2 * (b + s**2 * c))
    return s


class Reflected:
    """`H D K` for a diagonal of choice."""

    def __init__(self, shape: Shape, generator: np.random.Generator):
        self.shape = shape
        self.vectors = [generator.standard_normal(side) for side in shape]
        for vector in self.vectors:
            vector /= np.linalg.norm(vector)
        count, length = min(shape), max(shape)
        # Evenly between 1 + √q and 1 - √q for sides of the ratio q.
        self.values = 1 + sqrt(count / length) * (1 - (2 * np.arange(count) + 1) / count)

    def matrix(self, values: np.ndarray) -> np.ndarray:
        u, w = self.vectors
        n = len(values)
        matrix = np.zeros(self.shape)
        matrix[np.arange(n), np.arange(n)] = values
        matrix[:, :n] -= np.outer(2 * u, u[:n] * values)
        left = matrix[:, :n] @ w[:n]
        matrix -= np.outer(2 * left, w)
        return matrix

    def gradient(self) -> np.ndarray:
        return self.matrix(self.values).astype(np.float32)

    def orthogonal(self) -> np.ndarray:
        return self.matrix(polynomial(self.values / np.linalg.norm(self.values)))


class MatrixProblem:
    """Parameters that start at 0, and gradients that come back in every step: what is orthogonalised is always a multiple
    of the gradient, so all steps are alike."""

    def __init__(self, name: str):
        self.shapes = shapes(name)
        self.count = count(self.shapes)
        generator = np.random.default_rng(20240229)
        self._matrices = [Reflected(shape, generator) for shape in self.shapes]

    def parameters(self) -> list[np.ndarray]:
        return [np.zeros(shape, dtype=np.float32) for shape in self.shapes]

    def gradients(self) -> list[np.ndarray]:
        return [matrix.gradient() for matrix in self._matrices]

    def check(self, peer) -> dict[str, object]:
        """Takes the first steps and compares the way of each matrix with the right one. NaN fails every comparison."""
        worst = 0.0
        for steps in [1, CHECKED_STEPS - 1]:
            peer.steps(steps)
        for matrix, found in zip(self._matrices, peer.parameters(), strict=True):
            way = -CHECKED_STEPS * LEARNING_RATE * peer.scale(*matrix.shape)
            expected = matrix.orthogonal()
            error = np.linalg.norm(found / way - expected) / np.linalg.norm(expected)
            # Not max(): a NaN must not get lost.
            worst = float(np.maximum(worst, error))
        return {"verified": worst <= TOLERANCE[peer.precision], "orthogonalityError": f"{worst:.2g}"}


def fan_ratio(rows: int, columns: int) -> float:
    """The factor of a step in PyTorch and MLX; in Optax that of the transposed matrix."""
    return sqrt(max(1.0, rows / columns))

"""The tensors of every worker, and whether its steps have led where they should."""

from collections.abc import Iterator
from math import prod, sqrt

import numpy as np

from shapes import Shape, count
from steps import LEARNING_RATE, MAX_NORM, Step

# How far an element may be off, relative to the largest change of a parameter, in the direction of the step: some Float
# roundings. What is no multiple of the gradient, such as a tensor left out, shows here.
DIRECTION_TOLERANCE = 1e-5
# How far the length of three steps may be off, relative to the first one, beside the error of the coefficient: a peer
# that scales the gradient in memory measures it anew, and with its epsilon. Without the velocity's decay three steps
# would be 7 % too long.
LENGTH_TOLERANCE = 1e-4
# The error of the coefficient from which on the peer did not clip, or clipped to something else.
WRONG_COEFFICIENT = 0.5
# The error of the coefficient from which on a report tells it: the norm is inaccurate. Above the epsilon of 1e-6.
INACCURATE_COEFFICIENT = 1e-5
SLICE = 1 << 20


class Problem:
    """Parameters and gradients as one flat vector each, seen as tensors of the given shapes.

    Elements of the parameters have the size of those of the clipped gradient, so that nothing overflows, nothing
    underflows, and a wrong update shows in the first digits.
    """

    def __init__(self, shapes: list[Shape], step: Step):
        self.shapes = shapes
        self.step = step
        self.count = count(shapes)
        generator = np.random.default_rng(20240229)
        self.parameters = generator.standard_normal(self.count, dtype=np.float32)
        self.parameters /= np.float32(sqrt(self.count))
        # Of norm 2 at the least, so that even the shortest vector is clipped.
        self.gradients = generator.standard_normal(self.count, dtype=np.float32) * np.float32(3)
        self.gradients[0] += 2

    def tensors(self, flat: np.ndarray) -> list[np.ndarray]:
        """Views of a flat vector, one a tensor."""
        views, offset = [], 0
        for shape in self.shapes:
            views.append(flat[offset : offset + prod(shape)].reshape(shape))
            offset += prod(shape)
        return views

    def first_step(self) -> float:
        """The right multiple of the gradient after one step."""
        return -LEARNING_RATE * min(1.0, MAX_NORM / self.gradient_norm()) * self.step.way(1)[1]

    def gradient_norm(self) -> float:
        squares = 0.0
        for start in range(0, self.count, SLICE):
            part = self.gradients[start : start + SLICE].astype(np.float64)
            squares += float(part @ part)
        return sqrt(squares)

    def moved(self, tensors: list[np.ndarray], steps: int) -> tuple[float, float]:
        """How far some steps have moved the parameters, as a multiple of the gradient, and what in their way is
        neither that multiple nor decay.

        The second is relative to the largest change of a parameter. The error of a peer's norm (many sum in Float) is
        in the first.
        """
        decay, _ = self.step.way(steps)
        factor = sum(float(change @ g) for change, g in self._changes(tensors, decay)) / self.gradient_norm() ** 2
        rest = largest = 0.0
        for change, g in self._changes(tensors, decay):
            # Not max(): a NaN must not get lost.
            rest = float(np.maximum(rest, np.abs(change - factor * g).max()))
            largest = float(np.maximum(largest, np.abs(factor * g).max()))
        return factor, rest / largest if largest else np.inf

    def _changes(self, tensors: list[np.ndarray], decay: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """How far the parameters have moved but for their decay, with the gradients, in Double and in slices that fit
        the cache."""
        starts, gradients = self.tensors(self.parameters), self.tensors(self.gradients)
        for found, p, g in zip(tensors, starts, gradients, strict=True):
            found, p, g = found.reshape(-1), p.reshape(-1), g.reshape(-1)
            for start in range(0, p.size, SLICE):
                part = slice(start, start + SLICE)
                start_values = p[part].astype(np.float64)
                yield found[part].astype(np.float64) - start_values * (1 + decay), g[part].astype(np.float64)

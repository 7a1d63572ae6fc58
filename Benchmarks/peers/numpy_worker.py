"""NumPy and SciPy, everything in place: array expressions, or the five BLAS sweeps of SciPy's own OpenBLAS."""

import argparse
from math import sqrt

import numpy as np
import scipy
from scipy.linalg import blas

import worker
from problem import Problem
from steps import EPSILON, LEARNING_RATE, MAX_NORM, MOMENTUM


class NumPy:
    version = f"numpy {np.__version__}, scipy {scipy.__version__}"

    def __init__(self, problem: Problem, options: argparse.Namespace):
        self.problem = problem
        self.flat = problem.parameters.copy()
        self.tensors = [p.reshape(-1) for p in problem.tensors(self.flat)]
        self.gradients = [g.reshape(-1) for g in problem.tensors(problem.gradients.copy())]
        self.velocities = [np.zeros_like(p) for p in self.tensors]
        self.scratch = np.empty(max(p.size for p in self.tensors), dtype=np.float32)
        self.step = self.sweep if options.variant == "scipy-blas" else self.express

    def express(self) -> None:
        norm = sqrt(sum(float(np.dot(g, g)) for g in self.gradients))
        coefficient = np.float32(min(1.0, MAX_NORM / (norm + EPSILON)))
        for p, g, v in zip(self.tensors, self.gradients, self.velocities):
            g *= coefficient
            v *= np.float32(MOMENTUM)
            v += g
            p -= np.multiply(v, np.float32(LEARNING_RATE), out=self.scratch[: p.size])

    def sweep(self) -> None:
        norm = sqrt(sum(float(blas.snrm2(g)) ** 2 for g in self.gradients))
        coefficient = min(1.0, MAX_NORM / (norm + EPSILON))
        for p, g, v in zip(self.tensors, self.gradients, self.velocities):
            blas.sscal(coefficient, g)
            blas.sscal(MOMENTUM, v)
            blas.saxpy(g, v)
            blas.saxpy(v, p, a=-LEARNING_RATE)

    def steps(self, number: int) -> None:
        for _ in range(number):
            self.step()

    def parameters(self) -> list[np.ndarray]:
        return self.problem.tensors(self.flat)


if __name__ == "__main__":
    worker.main(NumPy, ["numpy", "scipy-blas"])

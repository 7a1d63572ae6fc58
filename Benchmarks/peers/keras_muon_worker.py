"""Keras's Muon, as keras_worker.py takes its steps."""

import argparse
from math import sqrt

# Before keras: it chooses the backend.
from keras_worker import AppliedOptimizer  # isort: skip

import keras

import worker
from matrices import LEARNING_RATE, MOMENTUM, MatrixProblem


class KerasMuon(AppliedOptimizer):
    precision = "Float"

    def __init__(self, problem: MatrixProblem, options: argparse.Namespace):
        super().__init__(
            lambda: keras.optimizers.Muon(LEARNING_RATE, momentum=MOMENTUM, weight_decay=0),
            problem.parameters(), problem.gradients(), options)  # fmt: skip

    def scale(self, rows: int, columns: int) -> float:
        return 0.2 * sqrt(max(rows, columns))


if __name__ == "__main__":
    worker.main(KerasMuon, ["graph", "xla"])

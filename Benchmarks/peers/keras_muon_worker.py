"""Keras's Muon on TensorFlow, traced into a graph."""

import argparse
import os
from math import sqrt

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

import worker
from matrices import LEARNING_RATE, MOMENTUM, MatrixProblem


class KerasMuon:
    version = f"keras {keras.__version__}, tensorflow {tf.__version__}"
    precision = "Float"

    def __init__(self, problem: MatrixProblem, options: argparse.Namespace):
        tf.config.threading.set_intra_op_parallelism_threads(options.threads)
        self.variables = [keras.Variable(p) for p in problem.parameters()]
        self.gradients = [tf.constant(g) for g in problem.gradients()]
        optimizer = keras.optimizers.Muon(LEARNING_RATE, momentum=MOMENTUM, weight_decay=0)
        optimizer.build(self.variables)

        @tf.function(jit_compile=options.variant == "xla")
        def step(gradients: list[tf.Tensor]) -> None:
            optimizer.apply(gradients, self.variables)

        self.step = step

    def scale(self, rows: int, columns: int) -> float:
        return 0.2 * sqrt(max(rows, columns))

    def steps(self, number: int) -> None:
        for _ in range(number):
            self.step(self.gradients)

    def parameters(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self.variables]


if __name__ == "__main__":
    worker.main(KerasMuon, ["graph", "xla"])

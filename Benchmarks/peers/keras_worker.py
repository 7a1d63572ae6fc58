"""Keras on TensorFlow: the optimizer's own clipping, traced into a graph, with XLA or without."""

import argparse
import os
from collections.abc import Callable

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

import worker
from problem import Problem
from steps import LEARNING_RATE, MAX_NORM, MOMENTUM


class AppliedOptimizer:
    """An optimizer of Keras with the same gradients in every step."""

    version = f"keras {keras.__version__}, tensorflow {tf.__version__}"

    def __init__(
        self, make: Callable[[], keras.Optimizer], parameters: list[np.ndarray], gradients: list[np.ndarray],
        options: argparse.Namespace,
    ):  # fmt: skip
        # Before TensorFlow makes anything, an optimizer for example.
        tf.config.threading.set_intra_op_parallelism_threads(options.threads)
        self.variables = [keras.Variable(p) for p in parameters]
        self.gradients = [tf.constant(g) for g in gradients]
        optimizer = make()
        optimizer.build(self.variables)

        @tf.function(jit_compile=options.variant == "xla")
        def step(gradients: list[tf.Tensor]) -> None:
            optimizer.apply(gradients, self.variables)

        self.step = step

    def steps(self, number: int) -> None:
        for _ in range(number):
            self.step(self.gradients)

    def parameters(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self.variables]


class Keras(AppliedOptimizer):
    def __init__(self, problem: Problem, options: argparse.Namespace):
        super().__init__(
            lambda: keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM, global_clipnorm=MAX_NORM),
            problem.tensors(problem.parameters), problem.tensors(problem.gradients), options)  # fmt: skip


if __name__ == "__main__":
    worker.main(Keras, ["graph", "xla"])

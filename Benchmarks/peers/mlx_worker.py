"""MLX: clip_grad_norm and SGD on the processor, evaluated each step, compiled or not."""

import argparse
from functools import partial
from importlib.metadata import version

import mlx.core as mx
import numpy as np
from mlx.optimizers import SGD, clip_grad_norm

import worker
from problem import Problem
from steps import LEARNING_RATE, MAX_NORM, MOMENTUM


class MLX:
    version = version("mlx")

    def __init__(self, problem: Problem, options: argparse.Namespace):
        mx.set_default_device(mx.cpu)
        self.tensors = {str(i): mx.array(p) for i, p in enumerate(problem.tensors(problem.parameters))}
        self.gradients = {str(i): mx.array(g) for i, g in enumerate(problem.tensors(problem.gradients))}
        settings = {"nesterov": problem.step.nesterov, "weight_decay": problem.step.weight_decay}
        self.optimizer = SGD(LEARNING_RATE, momentum=MOMENTUM, **settings)
        self.optimizer.init(self.tensors)
        state = self.optimizer.state

        def step(tensors: dict, gradients: dict) -> dict:
            clipped, _ = clip_grad_norm(gradients, MAX_NORM)
            return self.optimizer.apply_gradients(clipped, tensors)

        compiled = options.variant == "compiled"
        self.step = partial(mx.compile, inputs=state, outputs=state)(step) if compiled else step

    def steps(self, number: int) -> None:
        for _ in range(number):
            self.tensors = self.step(self.tensors, self.gradients)
            mx.eval(self.tensors, self.optimizer.state)

    def parameters(self) -> list[np.ndarray]:
        return [np.array(tensor) for tensor in self.tensors.values()]


if __name__ == "__main__":
    worker.main(MLX, ["eager", "compiled"])

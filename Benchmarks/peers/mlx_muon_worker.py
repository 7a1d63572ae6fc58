"""MLX's Muon on the processor, evaluated each step."""

import argparse
from importlib.metadata import version

import mlx.core as mx
import numpy as np
from mlx.optimizers import Muon

import worker
from matrices import LEARNING_RATE, MOMENTUM, MatrixProblem, fan_ratio


class MLXMuon:
    version = version("mlx")
    precision = "Float"
    scale = staticmethod(fan_ratio)

    def __init__(self, problem: MatrixProblem, _: argparse.Namespace):
        mx.set_default_device(mx.cpu)
        self.tensors = {str(i): mx.array(p) for i, p in enumerate(problem.parameters())}
        self.gradients = {str(i): mx.array(g) for i, g in enumerate(problem.gradients())}
        self.optimizer = Muon(LEARNING_RATE, momentum=MOMENTUM, weight_decay=0)
        self.optimizer.init(self.tensors)

    def steps(self, number: int) -> None:
        for _ in range(number):
            self.tensors = self.optimizer.apply_gradients(self.gradients, self.tensors)
            mx.eval(self.tensors, self.optimizer.state)

    def parameters(self) -> list[np.ndarray]:
        return [np.array(tensor) for tensor in self.tensors.values()]


if __name__ == "__main__":
    worker.main(MLXMuon, ["eager"])

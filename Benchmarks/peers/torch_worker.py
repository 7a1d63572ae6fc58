"""PyTorch: clip_grad_norm_ and SGD, eager with the fused kernel or compiled as one function."""

import argparse

import numpy as np
import torch

import worker
from problem import Problem
from steps import LEARNING_RATE, MAX_NORM, MOMENTUM


class Torch:
    version = torch.__version__

    def __init__(self, problem: Problem, options: argparse.Namespace):
        torch.set_num_threads(options.threads)
        self.tensors = [torch.from_numpy(p).clone() for p in problem.tensors(problem.parameters)]
        for tensor, gradient in zip(self.tensors, problem.tensors(problem.gradients), strict=True):
            tensor.requires_grad_(True)
            tensor.grad = torch.from_numpy(gradient).clone()
        compiled = options.variant == "compiled"
        settings = {"nesterov": problem.step.nesterov, "weight_decay": problem.step.weight_decay}
        settings["foreach" if compiled else "fused"] = True
        optimizer = torch.optim.SGD(self.tensors, lr=LEARNING_RATE, momentum=MOMENTUM, **settings)

        def step() -> None:
            torch.nn.utils.clip_grad_norm_(self.tensors, MAX_NORM)
            optimizer.step()

        self.step = torch.compile(step) if compiled else step

    def steps(self, number: int) -> None:
        for _ in range(number):
            self.step()

    def parameters(self) -> list[np.ndarray]:
        return [tensor.detach().numpy() for tensor in self.tensors]


if __name__ == "__main__":
    worker.main(Torch, ["fused", "compiled"])

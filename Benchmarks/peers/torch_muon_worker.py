"""PyTorch's Muon: as shipped, which multiplies matrices in bfloat16, or with the same iteration in Float."""

import argparse

import numpy as np
import torch
from torch.optim import _muon

import worker
from matrices import LEARNING_RATE, MOMENTUM, MatrixProblem, fan_ratio


def iteration_in_float(gradient: torch.Tensor, coefficients: tuple, steps: int, epsilon: float) -> torch.Tensor:
    """The shipped iteration without its rounding to bfloat16."""
    a, b, c = coefficients
    x = gradient.T if gradient.size(0) > gradient.size(1) else gradient
    x = x / x.norm().clamp(min=epsilon)
    for _ in range(steps):
        gram = x @ x.T
        update = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.addmm(x, update, x, beta=a)
    return x.T if gradient.size(0) > gradient.size(1) else x


class TorchMuon:
    version = torch.__version__
    scale = staticmethod(fan_ratio)

    def __init__(self, problem: MatrixProblem, options: argparse.Namespace):
        torch.set_num_threads(options.threads)
        self.precision = "bfloat16" if options.variant == "shipped" else "Float"
        if options.variant == "float":
            _muon._zeropower_via_newtonschulz = iteration_in_float
        self.tensors = [torch.from_numpy(p).requires_grad_(True) for p in problem.parameters()]
        for tensor, gradient in zip(self.tensors, problem.gradients(), strict=True):
            tensor.grad = torch.from_numpy(gradient)
        self.optimizer = torch.optim.Muon(self.tensors, lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=0)

    def steps(self, number: int) -> None:
        for _ in range(number):
            self.optimizer.step()

    def parameters(self) -> list[np.ndarray]:
        return [tensor.detach().numpy() for tensor in self.tensors]


if __name__ == "__main__":
    worker.main(TorchMuon, ["shipped", "float"])

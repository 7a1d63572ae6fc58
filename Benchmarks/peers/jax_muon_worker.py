"""Optax's Muon in JAX: one jitted function whose parameters and state are donated, hence updated in place."""

import argparse
from functools import partial

import jax
import numpy as np
import optax

import worker
from matrices import LEARNING_RATE, MOMENTUM, MatrixProblem, fan_ratio


class JaxMuon:
    version = f"jax {jax.__version__}, optax {optax.__version__}"
    precision = "Float"

    def __init__(self, problem: MatrixProblem, _: argparse.Namespace):
        self.tensors = [jax.numpy.array(p) for p in problem.parameters()]
        self.gradients = [jax.numpy.array(g) for g in problem.gradients()]
        rule = optax.contrib.muon(LEARNING_RATE, beta=MOMENTUM)
        self.state = rule.init(self.tensors)

        @partial(jax.jit, donate_argnums=(0, 1))
        def step(tensors, state, gradients):
            updates, state = rule.update(gradients, state, tensors)
            return optax.apply_updates(tensors, updates), state

        self.step = step

    def scale(self, rows: int, columns: int) -> float:
        return fan_ratio(columns, rows)

    def steps(self, number: int) -> None:
        for _ in range(number):
            self.tensors, self.state = self.step(self.tensors, self.state, self.gradients)
        jax.block_until_ready(self.tensors)

    def parameters(self) -> list[np.ndarray]:
        return [np.asarray(tensor) for tensor in self.tensors]


if __name__ == "__main__":
    worker.main(JaxMuon, ["jit"])

"""Optax's Muon in JAX, as jax_worker.py takes its steps."""

import argparse

import optax

import worker
from jax_worker import JittedRule
from matrices import LEARNING_RATE, MOMENTUM, MatrixProblem, fan_ratio


class JaxMuon(JittedRule):
    precision = "Float"

    def __init__(self, problem: MatrixProblem, _: argparse.Namespace):
        super().__init__(optax.contrib.muon(LEARNING_RATE, beta=MOMENTUM), problem.parameters(), problem.gradients())

    def scale(self, rows: int, columns: int) -> float:
        return fan_ratio(columns, rows)


if __name__ == "__main__":
    worker.main(JaxMuon, ["jit"])

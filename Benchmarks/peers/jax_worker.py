"""JAX and Optax: one jitted function whose parameters and state are donated, hence updated in place."""

import argparse
from functools import partial

import jax
import numpy as np
import optax

import worker
from problem import Problem
from steps import LEARNING_RATE, MAX_NORM, MOMENTUM


class JittedRule:
    """A rule of Optax with the same gradients in every step."""

    version = f"jax {jax.__version__}, optax {optax.__version__}"

    def __init__(self, rule: optax.GradientTransformation, parameters: list[np.ndarray], gradients: list[np.ndarray]):
        self.tensors = [jax.numpy.array(p) for p in parameters]
        self.gradients = [jax.numpy.array(g) for g in gradients]
        self.state = rule.init(self.tensors)

        @partial(jax.jit, donate_argnums=(0, 1))
        def step(tensors, state, gradients):
            updates, state = rule.update(gradients, state, tensors)
            return optax.apply_updates(tensors, updates), state

        self.step = step

    def steps(self, number: int) -> None:
        for _ in range(number):
            self.tensors, self.state = self.step(self.tensors, self.state, self.gradients)
        jax.block_until_ready(self.tensors)

    def parameters(self) -> list[np.ndarray]:
        return [np.asarray(tensor) for tensor in self.tensors]


class Jax(JittedRule):
    def __init__(self, problem: Problem, _: argparse.Namespace):
        decay = [optax.add_decayed_weights(problem.step.weight_decay)] if problem.step.weight_decay else []
        sgd = optax.sgd(LEARNING_RATE, momentum=MOMENTUM, nesterov=problem.step.nesterov)
        rule = optax.chain(optax.clip_by_global_norm(MAX_NORM), *decay, sgd)
        super().__init__(rule, problem.tensors(problem.parameters), problem.tensors(problem.gradients))


if __name__ == "__main__":
    worker.main(Jax, ["jit"])

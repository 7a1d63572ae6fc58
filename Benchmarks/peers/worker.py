"""The protocol of the workers: one process measures one peer once and prints one JSON line.

    python NAME_worker.py (--count N | --model NAME) [--step S] [--variant V] [--repeats R] [--threads T]
    python NAME_muon_worker.py --matrices NAME [--variant V] [--repeats R] [--threads T]

It checks the result first and exits with 1, having measured nothing, if that is wrong. A norm that is merely inaccurate
is what the peer computes: it is measured, and its error is told.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from matrices import MatrixProblem
from problem import DIRECTION_TOLERANCE, LENGTH_TOLERANCE, WRONG_COEFFICIENT, Problem
from shapes import MODELS
from steps import STEPS

CHECKED_STEPS = 3
# A sample of fewer seconds would measure the clock and the scheduler as well.
SHORTEST_SAMPLE = 0.004


class Peer(Protocol):
    """What a worker brings: made from (problem, arguments), with its own copies of the tensors; it takes the problem's
    step."""

    version: str

    def steps(self, number: int) -> None:
        """Takes that many steps and returns when they are done, not when they are queued."""

    def parameters(self) -> list[np.ndarray]: ...


class MatrixPeer(Peer, Protocol):
    """What a worker for matrices brings."""

    # A key of matrices.TOLERANCE.
    precision: str

    def scale(self, rows: int, columns: int) -> float:
        """By which its convention multiplies the orthogonal matrix."""


def arguments(variants: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Checks the step of one peer, measures it and prints one JSON line.")
    case = parser.add_mutually_exclusive_group(required=True)
    case.add_argument("--count", type=int, help="one vector of so many parameters")
    case.add_argument("--model", choices=MODELS, help="the tensors of a network")
    case.add_argument("--matrices", help="one matrix, such as 768x3072, or those of gpt2")
    parser.add_argument("--step", choices=STEPS, default="plain")
    parser.add_argument("--variant", choices=variants, default=variants[0])
    parser.add_argument("--repeats", type=int, default=10, help="samples to take")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def seconds_for(peer: Peer, steps: int) -> float:
    start = time.perf_counter()
    peer.steps(steps)
    return time.perf_counter() - start


def steps_per_sample(peer: Peer) -> int:
    """Warms up and finds how many steps make a sample long enough; one slow step among them decides nothing."""
    steps = 1
    while min(seconds_for(peer, steps) for _ in range(3)) < SHORTEST_SAMPLE:
        steps *= 2
    return steps


def check(peer: Peer, problem: Problem) -> dict[str, object]:
    """Takes the first steps and compares them with those in Double. NaN fails every comparison."""
    peer.steps(1)
    first, first_error = problem.moved(peer.parameters(), 1)
    peer.steps(CHECKED_STEPS - 1)
    last, last_error = problem.moved(peer.parameters(), CHECKED_STEPS)
    direction = max(first_error, last_error)
    expected = problem.step.way(CHECKED_STEPS)[1] / problem.step.way(1)[1]
    length = last / first / expected - 1 if first else float("nan")
    coefficient = first / problem.first_step() - 1
    right = [
        first_error <= DIRECTION_TOLERANCE,
        last_error <= DIRECTION_TOLERANCE,
        abs(length) <= LENGTH_TOLERANCE + abs(coefficient),
        abs(coefficient) <= WRONG_COEFFICIENT,
    ]
    errors = {"directionError": direction, "lengthError": length, "coefficientError": coefficient}
    # Strings, since JSON has no NaN.
    return {"verified": all(right), **{name: f"{error:.2g}" for name, error in errors.items()}}


def main(make: Callable[[Problem | MatrixProblem, argparse.Namespace], Peer], variants: list[str]) -> None:
    options = arguments(variants)
    if options.matrices:
        problem = MatrixProblem(options.matrices)
    else:
        problem = Problem([(options.count,)] if options.count else MODELS[options.model](), STEPS[options.step])
    peer = make(problem, options)
    result: dict[str, object] = {
        "version": peer.version,
        "count": problem.count,
        "tensors": len(problem.shapes),
        "threads": options.threads,
        **(problem.check(peer) if options.matrices else check(peer, problem)),
    }
    if result["verified"]:
        steps = steps_per_sample(peer)
        samples = [seconds_for(peer, steps) / steps for _ in range(options.repeats)]
        result |= {
            "secondsMin": min(samples),
            "secondsMedian": statistics.median(samples),
            "stepsPerSample": steps,
        }
    print(json.dumps(result), flush=True)
    sys.exit(0 if result["verified"] else 1)

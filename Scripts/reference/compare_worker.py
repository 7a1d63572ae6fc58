"""Runs the trials of one peer: its own steps and clips, those of the command on the same tensors, and their difference.

Prints one JSON object. The files of a failed trial stay in the output folder.
"""

import argparse
import importlib
import json
import shutil
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from differences import deliberate_difference, inaccurate_norm, tolerance
from momentum_command import MomentumCommand
from trials import Phase, Tensors, Trial, random_trial

NORM_TOLERANCE = 3e-7


@dataclass
class Outcome:
    """How far a trial is off; 1 is just still allowed."""

    parameters: float = 0.0
    velocity: float = 0.0
    clipped: float = 0.0
    norm: float = 0.0

    @property
    def worst(self) -> float:
        return max(vars(self).values())

    def raise_to(self, **values: float) -> None:
        """Keeps the larger of each value; NaN is larger than any."""
        for what, value in values.items():
            setattr(self, what, np.inf if np.isnan(value) else max(getattr(self, what), value))


def distance(ours: Tensors, theirs: Tensors, sizes: dict[str, float], steps: int) -> float:
    """The largest difference, in units of the tolerance; sizes are those of the largest elements."""
    worst = 0.0
    for name, expected in theirs.items():
        if not expected.size:
            continue
        off = float(np.abs(ours[name].astype(np.float64) - expected.astype(np.float64)).max())
        unit = float(np.finfo(expected.dtype).eps) * sizes[name] * tolerance(steps)
        worst = float(np.maximum(worst, off / unit if unit else (0.0 if off == 0 else np.inf)))
    return worst


def grow(sizes: dict[str, float], tensors: Tensors) -> None:
    """Lets the largest elements count that a tensor has had: one that ends near zero has lost digits on the way."""
    for name, tensor in tensors.items():
        sizes[name] = max(sizes.get(name, 0.0), float(np.abs(tensor).max(initial=0)))


def entering(trial: Trial, phase: Phase, peer) -> Tensors:
    """What a step adds to the velocity, but for decay: where the two balance, only roundings of these terms are left."""
    clipped, _ = peer.clip(phase.gradients, trial.thresholds, trial.norm_type)
    return {name: g * phase.learning_rate for name, g in clipped.items()} if peer.CONVENTION == "keras" else clipped


def norm_error(ours: float, reference: float) -> float:
    return (abs(ours / reference - 1) if reference else abs(ours)) / NORM_TOLERANCE


def compare(trial: Trial, peer, command: MomentumCommand) -> Outcome:
    """After each phase: parameters, velocity and norm; and the first gradients clipped in place, unless the peer clips
    them by a wrong norm, which one step alone does not forgive.
    """
    states, norms = command.run(trial)
    outcome = Outcome()
    parameter_sizes, velocity_sizes, steps = {}, {}, 0
    grow(parameter_sizes, trial.parameters)
    every_step = iter(peer.run(trial.step_by_step()))
    for ours, reported, phase in zip(states, norms, trial.phases, strict=True):
        steps += phase.steps
        # What a tensor has been in between counts too: it may swing far and come back within a phase.
        for theirs in islice(every_step, phase.steps):
            grow(parameter_sizes, theirs.parameters)
            grow(velocity_sizes, theirs.velocity)
        grow(velocity_sizes, entering(trial, phase, peer))
        # A velocity that the command does not write is that of a tensor which has had no gradient yet.
        velocity = {name: ours.velocity.get(name, np.zeros_like(v)) for name, v in theirs.velocity.items()}
        outcome.raise_to(
            parameters=distance(ours.parameters, theirs.parameters, parameter_sizes, steps),
            velocity=distance(velocity, theirs.velocity, velocity_sizes, steps),
            norm=norm_error(reported, trial.norm(phase)),
        )
    if trial.thresholds and not inaccurate_norm(trial, peer):
        clipped, _ = peer.clip(trial.phases[0].gradients, trial.thresholds, trial.norm_type)
        ours, reported = command.clip(trial)
        sizes = {}
        grow(sizes, clipped)
        outcome.raise_to(
            clipped=distance(ours, clipped, sizes, 1), norm=norm_error(reported, trial.norm(trial.phases[0]))
        )
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares the command with one peer; compare_numbers.py runs it.")
    parser.add_argument("peer")
    parser.add_argument("--momentum", type=Path, required=True)
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    peer = importlib.import_module(f"convention_{options.peer}")
    worst = {"float32": Outcome(), "float64": Outcome()}
    run, redrawn, failed = 0, 0, []
    while run < options.trials:
        number = run + redrawn
        trial = random_trial(np.random.default_rng([options.seed, number]), peer.ABILITIES)
        # Such a trial says nothing: another one is drawn.
        if deliberate_difference(trial, peer.CONVENTION):
            redrawn += 1
            continue
        folder = options.output / f"{options.peer}-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        outcome = compare(trial, peer, MomentumCommand(options.momentum, peer.CONVENTION, folder))
        worst[trial.dtype.name].raise_to(**vars(outcome))
        run += 1
        if outcome.worst <= 1:
            shutil.rmtree(folder)
        else:
            failed.append({"folder": str(folder), **vars(outcome)})
    summary = {name: vars(outcome) for name, outcome in worst.items()}
    print(json.dumps({"run": run, "redrawn": redrawn, "failed": failed, "worst": summary}))


if __name__ == "__main__":
    main()

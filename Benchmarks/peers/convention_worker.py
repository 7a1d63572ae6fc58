"""Runs the trials of one peer: its own steps, `momentum step` on the same tensors, and what the two differ by.

Prints one JSON object. The files of a failed trial stay in the output folder.
"""

import argparse
import importlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from trials import Tensors, Trial, random_trial

NORM_TOLERANCE = 3e-7
EPSILON_OF_MLX = 1e-6


@dataclass
class Outcome:
    """How far a trial is off; 1 is just still allowed."""

    parameters: float
    velocity: float
    norm: float

    @property
    def worst(self) -> float:
        return max(self.parameters, self.velocity, self.norm)


def tolerance(trial: Trial) -> float:
    """In units in the last place of a tensor's largest element."""
    return 16 + 8 * trial.steps


def deliberate_difference(trial: Trial, convention: str) -> bool:
    """Whether the convention departs from its peer on purpose.

    `mlx` is the rule of MLX's Swift library, which keeps a gradient whose norm is below the threshold; the Python
    library shrinks it if the sum of the norm and the epsilon is above. PyTorch refuses the largest element of an empty
    tensor, which here counts as zero.
    """
    if convention == "mlx":
        threshold = trial.thresholds.get("global", 0.0)
        return trial.norm < threshold <= trial.norm + EPSILON_OF_MLX
    empty = any(not gradient.size for gradient in trial.gradients.values())
    by_norm = "norm" in trial.thresholds or "global" in trial.thresholds
    return convention == "pytorch" and empty and trial.norm_type == np.inf and by_norm


def distance(ours: Tensors, theirs: Tensors, start: Tensors, trial: Trial) -> float:
    """The largest difference, in units of the tolerance. The starting point counts for the size of an element too:
    a parameter that ends near zero has lost digits on the way."""
    worst = 0.0
    for name, expected in theirs.items():
        if not expected.size:
            continue
        size = max(float(np.abs(expected).max()), float(np.abs(start[name]).max()))
        off = float(np.abs(ours[name].astype(np.float64) - expected.astype(np.float64)).max())
        unit = float(np.finfo(expected.dtype).eps) * size * tolerance(trial)
        worst = max(worst, off / unit if unit else (0.0 if off == 0 else np.inf))
    return worst


def our_step(trial: Trial, convention: str, momentum: Path, folder: Path) -> tuple[Tensors, Tensors, float]:
    files = {name: str(folder / f"{name}.safetensors") for name in ["p", "g", "p2", "v2"]}
    save_file(trial.parameters, files["p"])
    save_file(trial.gradients, files["g"])
    command = [str(momentum), "step", "--parameters", files["p"], "--gradients", files["g"]]
    command += ["--output-parameters", files["p2"], "--output-velocity", files["v2"]]
    command += ["--convention", convention, *trial.arguments(), "--json"]
    (folder / "command.txt").write_text(" ".join(command) + "\n")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{done.stderr.strip()} (files in {folder})")
    report = json.loads(done.stdout)["steps"][-1]
    return load_file(files["p2"]), load_file(files["v2"]), float(report["totalNorm"])


def compare(trial: Trial, peer, momentum: Path, folder: Path) -> Outcome:
    parameters, velocity = peer.run(trial)
    ours, our_velocity, our_norm = our_step(trial, peer.CONVENTION, momentum, folder)
    still = {name: np.zeros_like(v) for name, v in velocity.items()}
    return Outcome(
        parameters=distance(ours, parameters, trial.parameters, trial),
        velocity=distance(our_velocity, velocity, still, trial),
        norm=(abs(our_norm / trial.norm - 1) if trial.norm else our_norm) / NORM_TOLERANCE,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("--momentum", type=Path, required=True)
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    peer = importlib.import_module(f"convention_{options.peer}")
    worst = {"float32": Outcome(0, 0, 0), "float64": Outcome(0, 0, 0)}
    run, skipped, failed = 0, 0, []
    for number in range(options.trials):
        trial = random_trial(np.random.default_rng([options.seed, number]), peer.ABILITIES)
        if deliberate_difference(trial, peer.CONVENTION):
            skipped += 1
            continue
        folder = options.output / f"{options.peer}-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        outcome = compare(trial, peer, options.momentum, folder)
        seen = worst[trial.parameters["t0"].dtype.name]
        seen.parameters = max(seen.parameters, outcome.parameters)
        seen.velocity = max(seen.velocity, outcome.velocity)
        seen.norm = max(seen.norm, outcome.norm)
        run += 1
        if outcome.worst <= 1:
            shutil.rmtree(folder)
        else:
            failed.append({"folder": str(folder), **vars(outcome)})
    summary = {name: vars(outcome) for name, outcome in worst.items()}
    print(json.dumps({"run": run, "skipped": skipped, "failed": failed, "worst": summary}))


if __name__ == "__main__":
    main()

"""Runs the trials of Muon, Lion, Signum and AdamW by one peer and by the command, and prints their differences as one JSON object.

The files of a failed trial stay in the output folder.
"""

import argparse
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from rule_bounds import agrees, is_undecided, share
from rule_trials import KINDS, RUNS, RuleTrial, random_rule_trial
from trials import Tensors

CONVENTIONS = {"torch": "pytorch"}


def ours(trial: RuleTrial, peer: str, momentum: Path, folder: Path) -> Tensors:
    """What the command makes of a trial, one run a phase."""
    config = folder / "config.json"
    config.write_text(json.dumps(trial.configuration(CONVENTIONS.get(peer, peer))))
    parameters, state = folder / "p0.safetensors", None
    save_file(trial.parameters, parameters)
    for number, phase in enumerate(trial.phases, start=1):
        gradients, out, out_state = (folder / f"{what}{number}.safetensors" for what in "gps")
        save_file(phase.gradients, gradients)
        command = [momentum, "step", "--config", config, "--parameters", parameters, "--gradients", gradients]
        command += ["--state", state] if state else []
        command += ["--output-parameters", out, "--output-state", out_state, "--steps", phase.steps, "--json"]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{done.stderr.strip()} (files in {folder})")
        parameters, state = out, out_state
    return load_file(parameters)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares rules of the command with those of one peer.")
    parser.add_argument("peer")
    parser.add_argument("--momentum", type=Path, required=True)
    parser.add_argument("--trials", type=int, required=True, help="of each rule")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    result = {}
    for place, kind in enumerate(KINDS[options.peer]):
        worst, failed, undecided = {"float32": 0.0, "float64": 0.0}, [], 0
        for number in range(options.trials):
            trial = random_rule_trial(np.random.default_rng([options.seed, place, number]), options.peer, kind)
            folder = options.output / f"{options.peer}-{kind.replace(' ', '-')}-{number}"
            folder.mkdir(parents=True, exist_ok=True)
            found, expected = ours(trial, options.peer, options.momentum, folder), RUNS[options.peer](trial)
            apart = share(found, expected, trial)
            does_agree = agrees(found, expected, trial)
            if not does_agree and is_undecided(found, expected, trial, RUNS[options.peer]):
                undecided += 1
                shutil.rmtree(folder)
                continue
            worst[trial.dtype.name] = max(worst[trial.dtype.name], apart)
            if does_agree:
                shutil.rmtree(folder)
            else:
                failed.append({"folder": str(folder), "difference": apart})
        result[kind] = {"run": options.trials, "failed": failed, "undecided": undecided, "worst": worst}
    print(json.dumps(result))


if __name__ == "__main__":
    main()

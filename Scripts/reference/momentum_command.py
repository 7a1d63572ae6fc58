"""This library's numbers, by the command."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import load_file, save_file

from trials import Phase, State, Tensors, Trial


@dataclass(frozen=True)
class MomentumCommand:
    """Runs a built command under a convention; the files it reads and writes stay in a folder."""

    program: Path
    convention: str
    folder: Path

    def run(self, trial: Trial) -> tuple[list[State], list[float]]:
        """The state after each phase, and the norm that its last step reported."""
        parameters, velocity = self.save("p0", trial.parameters), None
        states, norms = [], []
        for number, phase in enumerate(trial.phases, start=1):
            out, out_velocity = self.file(f"p{number}"), self.file(f"v{number}")
            words = ["--parameters", parameters, "--gradients", self.save(f"g{number}", phase.gradients)]
            words += ["--velocity", velocity] if velocity else []
            words += ["--output-parameters", out, "--output-velocity", out_velocity, *step_options(trial, phase)]
            norms.append(self.report("step", *words, *clip_options(trial))["totalNorm"])
            parameters, velocity = out, out_velocity
            states.append(State(load_file(parameters), load_file(velocity)))
        return states, norms

    def clip(self, trial: Trial) -> tuple[Tensors, float]:
        """The first phase's gradients clipped in place, and the norm before."""
        gradients, out = self.save("g", trial.phases[0].gradients), self.file("clipped")
        report = self.report("clip", "--gradients", gradients, "--output", out, *clip_options(trial))
        return load_file(out), report["totalNorm"]

    def report(self, *words: str) -> dict:
        """The last of the steps that the command told of."""
        command = [str(self.program), *words, "--convention", self.convention, "--json"]
        with (self.folder / "commands.txt").open("a") as log:
            log.write(" ".join(command) + "\n")
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{done.stderr.strip()} (files in {self.folder})")
        return json.loads(done.stdout)["steps"][-1]

    def save(self, name: str, tensors: Tensors) -> str:
        save_file(tensors, self.file(name))
        return self.file(name)

    def file(self, name: str) -> str:
        return str(self.folder / f"{name}.safetensors")


def step_options(trial: Trial, phase: Phase) -> list[str]:
    numbers = {
        "--learning-rate": phase.learning_rate,
        "--momentum": phase.momentum,
        "--dampening": trial.dampening,
        "--weight-decay": trial.weight_decay,
        "--steps": phase.steps,
    }
    flags = [name for name, on in [("--nesterov", trial.nesterov), ("--maximize", trial.maximize)] if on]
    return [*words(numbers), *flags]


def clip_options(trial: Trial) -> list[str]:
    names = {"value": "--clip-value", "norm": "--clip-norm", "global": "--clip-global-norm"}
    thresholds = {names[kind]: threshold for kind, threshold in trial.thresholds.items()}
    return words({"--norm-type": trial.norm_type, **thresholds})


def words(numbers: dict[str, float]) -> list[str]:
    return [word for name, number in numbers.items() for word in (name, repr(number))]

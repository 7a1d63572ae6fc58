"""Runs measurements as processes of their own: our command and the workers of the peers."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from steps import Step

HERE = Path(__file__).parent
# Long enough for a compiled step of 161 tensors on a busy machine.
TIME_LIMIT = 900


@dataclass(frozen=True)
class Case:
    """What is measured: one vector, a network's tensors, or matrices."""

    option: str
    value: str

    @property
    def name(self) -> str:
        return f"{int(self.value):,}".replace(",", " ") if self.option == "--count" else self.value


@dataclass(frozen=True)
class Peer:
    name: str
    worker: str
    variant: str
    modules: tuple[str, ...]
    # The names of the steps that it takes.
    steps: tuple[str, ...] = ("plain", "nesterov-decay")

    def missing(self) -> list[str]:
        """The packages it needs and this environment lacks."""
        return [module for module in self.modules if importlib.util.find_spec(module) is None]


PEERS = [
    Peer("torch-fused", "torch", "fused", ("torch",)),
    Peer("torch-compiled", "torch", "compiled", ("torch",)),
    Peer("jax", "jax", "jit", ("jax", "optax")),
    # Decays the parameters themselves, which is another step.
    Peer("keras-graph", "keras", "graph", ("keras", "tensorflow"), ("plain",)),
    Peer("keras-xla", "keras", "xla", ("keras", "tensorflow"), ("plain",)),
    Peer("mlx", "mlx", "eager", ("mlx",)),
    Peer("mlx-compiled", "mlx", "compiled", ("mlx",)),
    Peer("numpy", "numpy", "numpy", ("numpy", "scipy"), ("plain",)),
    Peer("scipy-blas", "numpy", "scipy-blas", ("numpy", "scipy"), ("plain",)),
]

# Those that take steps of Muon. PyTorch's multiplies matrices in bfloat16; `torch-float` is the same in Float.
MATRIX_PEERS = [
    Peer("torch", "torch_muon", "shipped", ("torch",)),
    Peer("torch-float", "torch_muon", "float", ("torch",)),
    Peer("jax", "jax_muon", "jit", ("jax", "optax")),
    Peer("keras-graph", "keras_muon", "graph", ("keras", "tensorflow")),
    Peer("keras-xla", "keras_muon", "xla", ("keras", "tensorflow")),
    Peer("mlx", "mlx_muon", "eager", ("mlx",)),
]


class Failure(Exception):
    """A measurement that gave no time; says why in one line."""


@dataclass(frozen=True)
class Ours:
    """Our command."""

    executable: Path
    step: Step

    def measure(self, case: Case, repeats: int, threads: int, one_pass: bool = False) -> dict:
        """The row of the step, which also holds what ran in turn with it: hand-fused loops that move the same bytes,
        and in two passes the plain OpenBLAS calls. That of matrices is a step of Muon, whose limit is products of tiles."""
        command = [str(self.executable), "bench", case.option, case.value]
        if case.option != "--matrices":
            command += ["--clip", "global", "--rows", "step"]
            command += ["--nesterov"] if self.step.nesterov else []
            command += ["--weight-decay", str(self.step.weight_decay)] if self.step.weight_decay else []
            command += ["--one-pass"] if one_pass else []
        output = run([*command, "--repeat", str(repeats), "--threads", str(threads), "--json"], os.environ.copy())
        report = json.loads(output)
        return {**report["rows"][0], "machine": report["machine"]}


def environment(threads: int, cache: Path) -> dict[str, str]:
    """The same number of threads for everybody, in the words of each."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "NPROC": str(threads),
        # Compiled once, then found again by the processes of the later rounds.
        "TORCHINDUCTOR_CACHE_DIR": str(cache),
    }


def measure(
    peer: Peer, case: Case, step: str, repeats: int, threads: int, environment: dict[str, str]
) -> dict:
    if missing := peer.missing():
        raise Failure(f"not installed: {', '.join(missing)}")
    command = [sys.executable, "-B", str(HERE / f"{peer.worker}_worker.py"), case.option, case.value]
    command += ["--step", step, "--variant", peer.variant, "--repeats", str(repeats), "--threads", str(threads)]
    return json.loads(run(command, environment))


def run(command: list[str], environment: dict[str, str]) -> str:
    """Standard output of a process; its last line of messages if it fails."""
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        raise Failure(f"no result after {TIME_LIMIT} seconds") from None
    if done.returncode == 0:
        return done.stdout
    if '"verified": false' in done.stdout:
        wrong = json.loads(done.stdout)
        errors = ", ".join(f"{name.removesuffix('Error')} {wrong[name]}" for name in wrong if name.endswith("Error"))
        raise Failure(f"wrong result, not timed: errors of {errors}")
    lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
    raise Failure(f"exit {done.returncode}: {lines[-1].strip()}")

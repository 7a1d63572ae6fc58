"""Writes the fixtures that come from the peers themselves, a process a peer, and their manifest.

Usage: make_peers.py FOLDER [--peers LIST]
"""

import argparse
import importlib
import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "Benchmarks" / "peers"))

import peer_averages  # noqa: E402
import peer_clips  # noqa: E402
import peer_schedules  # noqa: E402
import peer_steps  # noqa: E402
from conventions import MODULES  # noqa: E402
from files import rendered, replace, write_manifest  # noqa: E402

KINDS = {"steps": peer_steps, "clips": peer_clips, "averages": peer_averages, "schedules": peer_schedules}
# One thread, so that sums are added in the same order everywhere.
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"}


def write(name: str, folder: Path) -> None:
    """All files of one peer."""
    peer = importlib.import_module(f"convention_{name}")
    libraries = {package: version(package) for package in (*map(distribution, peer.PACKAGES), "numpy")}
    for kind, module in KINDS.items():
        cases = module.cases(peer)
        # MLX and Optax average no parameters.
        if cases:
            replace(folder / f"{kind}-{peer.CONVENTION}.json", rendered(cases, module.ORIGIN, libraries))


def distribution(module: str) -> str:
    """The name of the package that has a module: TensorFlow's is another on Linux."""
    return "tensorflow_cpu" if module == "tensorflow" and sys.platform == "linux" else module


def main() -> None:
    parser = argparse.ArgumentParser(prog="make-reference.sh --peers")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peers", default=",".join(MODULES), help="of torch,keras,optax,mlx; by default all")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        return write(options.only, options.folder)
    options.folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in options.peers.split(",") if find_spec(MODULES[name]) is None]
    if missing:
        sys.exit(f"make-reference.sh: not installed: {', '.join(missing)}; their files stay as they are with --peers")
    for name in options.peers.split(","):
        command = [sys.executable, "-B", __file__, str(options.folder), "--only", name]
        subprocess.run(command, env={**os.environ, **ENVIRONMENT}, check=True)
    write_manifest(options.folder)


if __name__ == "__main__":
    main()

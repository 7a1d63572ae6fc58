"""Writes the fixtures that come from the peers themselves, a process a peer, and their manifest."""

import argparse
import importlib
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import peer_averages
import peer_clips
import peer_rules
import peer_schedules
import peer_steps
from files import rendered, replace, write_manifest
from peers import MODULES, is_installed

KINDS = {
    "steps": peer_steps,
    "clips": peer_clips,
    "averages": peer_averages,
    "schedules": peer_schedules,
    "rules": peer_rules,
}
# One thread, so that sums are added in the same order everywhere.
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


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


def write_each(names: list[str], folder: Path) -> None:
    """The files of some peers, and the manifest."""
    missing = [name for name in names if not is_installed(name)]
    if missing:
        sys.exit(f"make-reference.sh: not installed: {', '.join(missing)}; their files stay as they are with --peers")
    for name in names:
        command = [sys.executable, "-B", __file__, str(folder), "--only", name]
        subprocess.run(command, env={**os.environ, **ENVIRONMENT}, check=True)
    write_manifest(folder)


def generator(name: str) -> ModuleType:
    """A module that needs its peers as soon as it is imported."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        sys.exit(f"make-reference.sh: not installed: {error.name}; the files stay as they are")


def peer_names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in MODULES:
            raise argparse.ArgumentTypeError(f"'{name}' is not among {', '.join(MODULES)}")
    return names


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number")
    return int(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="a folder; with --units and --moments a file")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--peers", type=peer_names, default=list(MODULES), metavar="LIST",
                      help="of torch,keras,optax,mlx; by default all")  # fmt: skip
    kind.add_argument("--momenta", action="store_true", help="momentum buffers of PyTorch and Optax instead")
    kind.add_argument("--units", type=positive, metavar="CASES",
                      help="so many cases of each clip and rule by unit of Optax and TensorFlow instead")  # fmt: skip
    kind.add_argument("--moments", type=positive, metavar="CASES",
                      help="so many runs of Lion, AdamW and Muon by each of Optax, Keras and MLX instead")  # fmt: skip
    kind.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        return write(options.only, options.output)
    (options.output.parent if options.units or options.moments else options.output).mkdir(parents=True, exist_ok=True)
    if options.momenta:
        generator("peer_momenta").write(options.output)
    elif options.units:
        generator("peer_units").write(options.output, options.units)
    elif options.moments:
        generator("peer_moments").write(options.output, options.moments)
    else:
        write_each(options.peers, options.output)


if __name__ == "__main__":
    main()

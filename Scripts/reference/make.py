"""Writes every fixture and the manifest. Usage: make.py FOLDER [--reproblas FOLDER]"""

import argparse
import json
import sys
import time
from pathlib import Path

import mpmath

import blas_tables
import clipping
import norms
import nrm2_grid
import reproblas
import updates
from inputs import digest_text, fnv1a

FORMAT = 1
# Not the version at hand: all arithmetic is on integers, so every Python from 3.10 on writes the same bytes.
PYTHON = "3.10 or newer"
FILES = {
    "blas-check1.json": (blas_tables.check1, blas_tables.ORIGIN1, {"stest": blas_tables.STEST}),
    "blas-check2.json": (blas_tables.check2, blas_tables.ORIGIN2, {"stest": blas_tables.STEST}),
    "nrm2-grid.json": (nrm2_grid.cases, nrm2_grid.ORIGIN, {}),
    "reproblas.json": (reproblas.cases, reproblas.ORIGIN, {}),
    "norms.json": (norms.cases, norms.ORIGIN, {}),
    "clip.json": (clipping.cases, clipping.ORIGIN, {}),
    "updates.json": (updates.cases, updates.ORIGIN, {}),
}


def rendered(cases, origin, extra):
    """JSON with one case a line, so that a changed value is one changed line."""
    head = {
        "format": FORMAT,
        "generator": "Scripts/make-reference.sh",
        "origin": origin,
        "libraries": {"mpmath": mpmath.__version__, "python": PYTHON},
        **extra,
    }
    lines = [json.dumps(case, separators=(",", ":"), allow_nan=False) for case in cases]
    return json.dumps(head, indent=1)[:-2] + ',\n "cases": [\n' + ",\n".join(lines) + "\n]}\n"


def replace(path, content):
    """Writes a file if its content is new, and says so."""
    data = content.encode()
    old = path.read_bytes() if path.exists() else None
    state = "unchanged" if data == old else "changed" if old is not None else "new"
    if data != old:
        path.write_bytes(data)
    print("  %-18s %8d bytes  %s" % (path.name, len(data), state))
    return "%s %d %s" % (digest_text(fnv1a(data)), len(data), path.name)


def main():
    parser = argparse.ArgumentParser(prog="make-reference.sh", description="Regenerates the reference values.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--reproblas", type=Path, metavar="DATA",
                        help="tests/checks/data of a ReproBLAS checkout: compare all golden values")  # fmt: skip
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    manifest = []
    for name, (cases, origin, extra) in FILES.items():
        start = time.monotonic()
        content = rendered(cases(), origin, extra)
        print("%-18s made in %4.1f s" % (name, time.monotonic() - start))
        manifest.append(replace(arguments.folder / name, content))
    header = "# FNV-1a (64 bits), bytes, file; written by Scripts/make-reference.sh\n"
    replace(arguments.folder / "MANIFEST.txt", header + "\n".join(sorted(manifest)) + "\n")
    if arguments.reproblas:
        sys.exit(0 if reproblas.compare(arguments.reproblas) else 1)


if __name__ == "__main__":
    main()

"""Writes every exact fixture and the manifest."""

import argparse
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
from files import rendered, replace, write_manifest

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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the fixtures go")
    parser.add_argument("--reproblas", type=Path, metavar="DATA",
                        help="tests/checks/data of a ReproBLAS checkout: compare all golden values")  # fmt: skip
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    libraries = {"mpmath": mpmath.__version__, "python": PYTHON}
    for name, (cases, origin, extra) in FILES.items():
        start = time.monotonic()
        content = rendered(cases(), origin, libraries, extra)
        print("%-18s made in %4.1f s" % (name, time.monotonic() - start))
        replace(arguments.folder / name, content)
    write_manifest(arguments.folder)
    if arguments.reproblas:
        sys.exit(0 if reproblas.compare(arguments.reproblas) else 1)


if __name__ == "__main__":
    main()

"""This library's results in half precision, by the command: half_momentum.py PROGRAM FOLDER."""

import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from half_cases import GRADIENTS, Gradient, show

WAYS = {
    "bfloat16-nearest": "to nearest",
    "bfloat16-stochastic": "at random, mean",
    "remainders": "with a remainder",
}


def write(gradient: Gradient, file: Path) -> None:
    """A file of the tensors. Neither numpy nor struct knows BFloat16: the upper half of a float."""
    if gradient.dtype == "bf16":
        element = struct.pack("<f", gradient.value)[2:]
    else:
        element = struct.pack("<e", gradient.value)
    size = 2 * gradient.count
    header = json.dumps(
        {
            f"t{index}": {
                "dtype": gradient.dtype.upper(),
                "shape": [gradient.count],
                "data_offsets": [index * size, (index + 1) * size],
            }
            for index in range(gradient.tensors)
        }
    ).encode()
    with file.open("wb") as out:
        out.write(struct.pack("<Q", len(header)) + header)
        tensor = element * gradient.count
        for _ in range(gradient.tensors):
            out.write(tensor)


def first_element(file: Path) -> float:
    """The first element of the first tensor of Float16."""
    with file.open("rb") as data:
        data.seek(8 + struct.unpack("<Q", data.read(8))[0])
        return struct.unpack("<e", data.read(2))[0]


def main(program: str, folder: str) -> None:
    def run(*words: str) -> dict:
        done = subprocess.run([program, *words, "--json"], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr.strip())
        return json.loads(done.stdout)

    cases: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        file, clipped = Path(scratch, "gradients.safetensors"), Path(scratch, "clipped.safetensors")
        for name, gradient in GRADIENTS.items():
            write(gradient, file)
            cases[name] = {"norm": run("norm", str(file))["totalNorm"]}
        run("clip", "--gradients", str(file), "--clip-global-norm", "100", "--output", str(clipped))
        cases["f16-clipped"] = {"clip": first_element(clipped)}
        drift = run("trajectory", "--surfaces", "quadratic", "--learning-rate", "0.01", "--output", f"{scratch}/report")
    means = {entry["storage"]: entry["mean"] for entry in drift["storages"]}
    cases["bf16-steps"] = {words: means[storage] for storage, words in WAYS.items()}
    info = run("info")
    show(f"momentum {info['machine']['momentumVersion']}", cases)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Makes the files of this folder with a command of version 0.1: python3 make.py PATH-OF-MOMENTUM"""

import json
import struct
import subprocess
import sys
from pathlib import Path

folder = Path(__file__).parent
STEP = [sys.argv[1], "step", "--gradients", "gradients.safetensors"]
CONFIG = ["--config", "config.json"]


def save(name, tensors):
    header, data = {}, b""
    for tensor, values in tensors.items():
        begin = len(data)
        data += struct.pack(f"<{len(values)}f", *values)
        header[tensor] = {"dtype": "F32", "shape": [len(values)], "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / name).write_bytes(struct.pack("<Q", len(text)) + text + data)


def step(parameters, output, *more):
    words = ["--parameters", f"{parameters}.safetensors", "--output-parameters", f"{output}.safetensors", *more]
    subprocess.run(STEP + words, cwd=folder, check=True, stdout=subprocess.DEVNULL)


save("start.safetensors", {"bias": [0.3], "weight": [1, 2, -0.7]})
save("gradients.safetensors", {"bias": [0.11], "weight": [3, 4.1, -0.3]})
save("plain.safetensors", {"weight": [8, -4.3, 0.1]})

files = ["--output-velocity", "velocity.safetensors", "--output-average", "average.safetensors"]
step("start", "parameters", *CONFIG, "--steps", "3", *files)
step("start", "parameters", *CONFIG, "--steps", "3", "--output-state", "state.safetensors")
after = ["--state", "state.safetensors", "--output-state", "after-state.safetensors"]
step("parameters", "after", *CONFIG, "--steps", "2", *after)
plain = ["--learning-rate", "0.3", "--momentum", "0.7", "--velocity", "plain.safetensors"]
step("start", "after-plain", *plain, "--steps", "2")

"""Compares norms, clips and steps in half precision with those of the peers, in a few cases whose exact results are known;
one process a peer. Exits with 1 if this library's results are not the exact ones, rounded."""

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

from half_cases import CASES, Case
from peers import MODULES, is_installed

HERE = Path(__file__).parent
PEERS = ("torch", "optax", "mlx")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compare-peers.sh --half", description=__doc__)
    parser.add_argument("--momentum", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--peers", default=",".join(PEERS), help="by default all: %(default)s")
    parser.add_argument("--output", type=Path, default=Path("report-peers-half"), help="a folder")
    options = parser.parse_args()
    options.peers = options.peers.split(",")
    for peer in options.peers:
        if peer not in PEERS:
            parser.error(f"--peers: '{peer}' is not among {', '.join(PEERS)}")
    return options


def run(name: str, *words: str) -> dict | str:
    """What one program computes, or why there is nothing."""
    if name in MODULES and not is_installed(name):
        return "not installed"
    command = [sys.executable, "-B", str(HERE / f"half_{name}.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        return f"exit {done.returncode}: {lines[-1].strip()}"
    return json.loads(done.stdout)


def cell(result: dict | str, case: Case) -> str:
    """The results of one program in one case: one number, or one for each way that the program has."""
    if isinstance(result, str):
        return "none"
    ways = result["cases"][case.name]
    texts = {way: "inf" if math.isinf(value) else f"{value:.7g}" for way, value in ways.items()}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{text} ({way})" for way, text in texts.items())


def table(results: dict[str, dict | str]) -> str:
    titles = [
        result["version"] if isinstance(result, dict) else f"{name}: {result}" for name, result in results.items()
    ]
    lines = ["| | exact | " + " | ".join(titles) + " |", "|---|--:|" + "--:|" * len(titles)]
    for case in CASES:
        cells = [cell(result, case) for result in results.values()]
        lines.append(f"| {case.words} | {case.exact:.7g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def faults(ours: dict | str) -> list[str]:
    """What is wrong with this library's results."""
    if isinstance(ours, str):
        return [f"momentum: {ours}"]
    return [
        f"momentum: {case.words}, {way}: {value}; expected {case.exact} up to {case.tolerance:g}"
        for case in CASES
        for way, value in ours["cases"][case.name].items()
        if way not in case.lossy and not abs(value - case.exact) <= case.tolerance * abs(case.exact)
    ]


def main() -> None:
    options = arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    results = {peer: run(peer) for peer in options.peers}
    results["momentum"] = run("momentum", str(options.momentum), str(options.output))
    text = table(results)
    print(text)
    (options.output / "half.md").write_text(text + "\n")
    (options.output / "half.json").write_text(json.dumps(results, indent=2) + "\n")
    wrong = faults(results["momentum"])
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

"""Compares the numbers of the conventions with those of the peers, in fresh random trials; one process a peer."""

import argparse
import json
import secrets
import subprocess
import sys
from pathlib import Path

from peers import MODULES, is_installed

HERE = Path(__file__).parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compare-peers.sh --numbers TRIALS", description=__doc__)
    parser.add_argument("--momentum", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--trials", type=int, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--peers", default=",".join(MODULES), help="by default all: %(default)s")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="by default a fresh one")
    parser.add_argument("--output", type=Path, default=Path("report-peers-numbers"), help="a folder")
    options = parser.parse_args()
    options.peers = options.peers.split(",")
    for peer in options.peers:
        if peer not in MODULES:
            parser.error(f"--peers: '{peer}' is not among {', '.join(MODULES)}")
    return options


def run(program: str, peer: str, options: argparse.Namespace) -> dict | str:
    """What the trials of one peer gave, or why there were none."""
    if not is_installed(peer):
        return "not installed"
    command = [sys.executable, "-B", str(HERE / program), peer, "--momentum", str(options.momentum)]
    command += ["--trials", str(options.trials), "--seed", str(options.seed), "--output", str(options.output)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        return f"exit {done.returncode}: {lines[-1].strip()}"
    return json.loads(done.stdout)


def compare_rules(options: argparse.Namespace) -> dict[str, dict | str]:
    """The rules beside SGD, by peer and by rule."""
    print("\n| peer | rule | trials | failed | undecided | float32 | float64 |")
    print("| --- | --- | --: | --: | --: | --: | --: |", flush=True)
    results = {}
    for peer in options.peers:
        results[peer] = result = run("compare_rules.py", peer, options)
        if isinstance(result, str):
            print(f"| {peer} | none: {result} | | | | | |", flush=True)
            continue
        for kind, of_kind in result.items():
            worst = " | ".join(f"{value:.2g}" for value in of_kind["worst"].values())
            counts = f"{of_kind['run']} | {len(of_kind['failed'])} | {of_kind['undecided']}"
            print(f"| {peer} | {kind} | {counts} | {worst} |", flush=True)
    return results


def main() -> None:
    options = arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    print(f"seed {options.seed}, {options.trials} trials a peer; worst differences in units of what is allowed\n")
    print("| peer | trials | failed | redrawn | type | parameters | velocity | clipped | norm |")
    print("| --- | --: | --: | --: | --- | --: | --: | --: | --: |", flush=True)
    results = {}
    for peer in options.peers:
        results[peer] = result = run("compare_worker.py", peer, options)
        if isinstance(result, str):
            print(f"| {peer} | none: {result} | | | | | | | |", flush=True)
            continue
        for dtype, worst in result["worst"].items():
            differences = " | ".join(f"{value:.2g}" for value in worst.values())
            counts = f"{result['run']} | {len(result['failed'])} | {result['redrawn']}"
            print(f"| {peer} | {counts} | {dtype} | {differences} |", flush=True)
    rules = compare_rules(options)
    everything = {"seed": options.seed, **results, "rules": rules}
    (options.output / "numbers.json").write_text(json.dumps(everything, indent=2) + "\n")
    all_results = [*results.values(), *rules.values()]
    broken = [result for result in all_results if isinstance(result, str) and result != "not installed"]
    ran = [result for result in results.values() if not isinstance(result, str)]
    ran += [result for kinds in rules.values() if not isinstance(kinds, str) for result in kinds.values()]
    folders = [failure["folder"] for result in ran for failure in result["failed"]]
    # So many could hide a fault.
    doubtful = [kind for kinds in rules.values() if not isinstance(kinds, str) for kind, result in kinds.items()
                if result["undecided"] > max(1, options.trials // 100)]
    if doubtful:
        print(f"\ntoo many undecided: {', '.join(doubtful)}")
    if folders:
        print(f"\nfailed, files kept: {' '.join(folders)}")
    elif not ran:
        print("\nnothing was compared")
    sys.exit(1 if folders or doubtful or broken or not ran else 0)


if __name__ == "__main__":
    main()

"""Measures a step on the ranks of MPI beside those of peers, processes interleaved, and writes a table.

Every round runs, for each number of ranks and each count, `momentum-mpi bench` and then each peer once.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

PEERS = {
    "mpi4py": "mpi4py + NumPy: Allreduce, norm, SGD",
    "allreduce": "PyTorch, gloo: all_reduce, clip_grad_norm_, SGD",
    "ddp": "PyTorch DDP, gloo: backward of a product, clip_grad_norm_, SGD",
    "zero": "PyTorch DDP + ZeroRedundancyOptimizer, gloo, likewise",
    "fsdp": "PyTorch FSDP2, gloo, likewise",
    "deepspeed": "DeepSpeed ZeRO 1, gloo: backward of a product, step of its engine",
}

ORDERED, LIBRARY = "ours: ordered sum, state divided", "ours: MPI's sum, whole step"


def numbers(text: str) -> list[int]:
    return [int(float(word)) for word in text.split(",")]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compare-ranks.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--momentum", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--counter", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--ranks", type=numbers, default=[1, 2, 4], help="numbers that divide eight micro-batches")
    parser.add_argument("--sizes", type=numbers, default=[1_000_000, 10_000_000])
    parser.add_argument("--peers", type=lambda text: text.split(","), default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("report-ranks"))
    options = parser.parse_args()
    if unknown := [peer for peer in options.peers if peer not in PEERS]:
        parser.error(f"--peers: {unknown[0]} is not among {', '.join(PEERS)}")
    if bad := [ranks for ranks in options.ranks if ranks not in (1, 2, 4, 8)]:
        parser.error(f"--ranks: {bad[0]} is not 1, 2, 4 or 8")
    return options


def launched(options: argparse.Namespace, ranks: int, command: list[str]) -> dict | str:
    """What rank 0 prints, or why it prints nothing."""
    cores = len(os.sched_getaffinity(0))
    launch = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", str(ranks), "-x", f"LD_PRELOAD={options.counter}"]
    launch += ["--bind-to", "core"] if ranks <= cores else ["--bind-to", "none", "--mca", "mpi_yield_when_idle", "1"]
    environment = os.environ | {
        "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    try:
        run = subprocess.run(launch + command, env=environment, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        return "no end within 600 s"
    if run.returncode != 0:
        return (run.stderr.strip().splitlines() or ["no message"])[0]
    return json.loads(run.stdout)


def measure(options: argparse.Namespace, ranks: int, count: int) -> dict[str, dict]:
    """The best of all rounds, by name."""
    worker = str(Path(__file__).with_name("rank_worker.py"))
    best: dict[str, dict] = {}

    def take(name: str, row: dict) -> None:
        if name not in best or row["seconds"] < best[name].get("seconds", float("inf")):
            best[name] = row

    for _ in range(options.rounds):
        ours = launched(
            options, ranks,
            [options.momentum, "bench", "--count", str(count), "--repeat", str(options.repeats), "--json"])
        if isinstance(ours, str):
            sys.exit(f"momentum-mpi on {ranks} ranks: {ours}")
        for row in ours["rows"]:
            take(f"ours: {row['name']}", row)
        for peer in options.peers:
            row = launched(
                options, ranks,
                [sys.executable, "-B", worker, "--variant", peer, "--count", str(count), "--repeats",
                 str(options.repeats)])
            take(PEERS[peer], {"failure": row, "seconds": float("inf")} if isinstance(row, str) else row)
    return best


def called(row: dict) -> list[str]:
    """Messages and their bytes, sums and broadcasts and what was handed over to them. Of ours, momentum-mpi has found on
    every rank that what is counted is what the formula says."""
    traffic = row.get("traffic")
    if isinstance(traffic, dict):
        if not row["isTrafficCounted"]:
            sys.exit(f"momentum-mpi, {row['name']}: nothing has been counted; expected the library of count_messages.c in front of MPI")
        traffic = [traffic[name] for name in ("messagesSent", "bytesSent", "meetings", "bytesMet")]
    return [*(map(str, traffic) if traffic else [""] * 4)]


def table(results: dict[tuple[int, int], dict[str, dict]]) -> str:
    """A table for each number of ranks and each count."""
    first = min(ranks for ranks, _ in results)
    lines = []
    for (ranks, count), rows in results.items():
        lines += ["", f"## {count} Floats on {ranks} ranks", ""]
        lines.append(
            "| step | best, ms | norm error | bits as on " + str(first)
            + " | messages | bytes | meetings | bytes met |")
        lines.append("|---|---|---|---|---|---|---|---|")
        for name, row in sorted(rows.items(), key=lambda item: item[1]["seconds"]):
            if "failure" in row:
                lines.append(f"| {name} | {row['failure']} | | | | | | |")
                continue
            error = f"{row['normError']:.1e}" if row.get("normError") is not None else ""
            reference = results[first, count].get(name, {}).get("bits")
            same = "" if not row.get("bits") else "yes" if row["bits"] == reference else "no"
            lines.append(
                " | ".join(["| " + name, f"{row['seconds'] * 1e3:.3f}", error, same, *called(row)]) + " |")
    return "\n".join(lines[1:]) + "\n"


def quotients(results: dict[tuple[int, int], dict[str, dict]]) -> str:
    """How long our ordered step takes beside MPI's own sum, and the fastest way over gloo beside it."""
    lines = []
    for (ranks, count), rows in results.items():
        own = rows[ORDERED]["seconds"]
        text = (
            f"{count} Floats on {ranks} ranks: the ordered sum with its state divided takes "
            f"{own / rows[LIBRARY]['seconds']:.2f} of the time of MPI's sum and whole step")
        gloo = {name: row["seconds"] for name, row in rows.items() if "gloo" in name and "failure" not in row}
        if gloo:
            fastest = min(gloo, key=gloo.get)
            text += f"; the fastest over gloo takes {gloo[fastest] / own:.2f} times as long as it ({fastest})"
        lines.append(text)
    return "\n".join(lines)


def main() -> None:
    options = arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    results = {}
    for count in options.sizes:
        for ranks in options.ranks:
            results[ranks, count] = measure(options, ranks, count)
            text = table(results)
            (options.output / "ranks.md").write_text(text)
            (options.output / "ranks.json").write_text(
                json.dumps([
                    {"ranks": ranks, "count": count, "rows": {
                        name: {key: None if value == float("inf") else value for key, value in row.items()}
                        for name, row in rows.items()}}
                    for (ranks, count), rows in results.items()], indent=1))
    print(text)
    print(quotients(results))


if __name__ == "__main__":
    main()

"""What a step would take on more ranks than there are here, on paper: from constants that compare_ranks.py has measured,
and from those of a network, which are assumptions. Every rank has all parameters and one gradient of Floats.

Time: the terms of each way, one after the other. alpha is the time of a message, beta that of a byte between two ranks, mu
that of a byte to or from memory, all from ranks.json; a network between nodes has its own alpha and beta, which the ranks
of a node share. Of micro-batches there is one for each rank, so every rank has one open sum.
"""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

FLOAT = 4


@dataclass
class Machine:
    alpha: float
    beta: float
    mu: float
    ranks_per_node: int
    network_alpha: float
    network_beta: float

    def exchange(self, ranks: int, count: int) -> float:
        """Each rank sends every other one its part: flat, whoever is where."""
        inside = min(ranks, self.ranks_per_node)
        part = FLOAT * count / ranks
        near = (inside - 1) * (self.alpha + self.beta * part)
        # All ranks of a node send at once, through one network.
        far = (ranks - inside) * (self.network_alpha + self.network_beta * part * inside)
        return near + far

    def by_node(self, ranks: int, count: int) -> float:
        """First within the node, so that one sum a node travels; each rank of it takes a share of the rest."""
        inside = min(ranks, self.ranks_per_node)
        nodes = ranks // inside
        near = (inside - 1) * (self.alpha + self.beta * FLOAT * count / inside)
        far = (nodes - 1) * (self.network_alpha + self.network_beta * FLOAT * count / nodes)
        return near + far

    def meeting(self, ranks: int) -> float:
        """One sum of some words over all ranks."""
        inside = min(ranks, self.ranks_per_node)
        return self.alpha * math.ceil(math.log2(inside)) + self.network_alpha * math.log2(ranks // inside)

    def memory(self, vectors: float, count: float) -> float:
        return self.mu * FLOAT * vectors * count

    def ordered(self, ranks: int, count: int, by_node: bool = False) -> float:
        """Copy of the gradient, exchange, sum of the parts, shard step, parameters to all."""
        travel = self.by_node if by_node else self.exchange
        inside = min(ranks, self.ranks_per_node)
        # The number of sums that an owner adds up, and the size of each.
        adds = 3 * (inside - 1) / inside + 3 * (ranks / inside - 1) / ranks if by_node else 3 * (ranks - 1) / ranks
        return (
            self.memory(2 + adds + 6 / ranks, count) + 2 * travel(ranks, count) + 3 * self.meeting(ranks)
        )

    def library(self, ranks: int, count: int) -> float:
        """MPI's sum, which goes by nodes too, and the whole step on every rank."""
        return self.memory(2 + 6, count) + 2 * self.by_node(ranks, count) + 5 * self.meeting(ranks)


def bytes_of_rank(ranks: int, count: int, sharding: str) -> float:
    """Parameters, a gradient, the velocity, an open sum and the result."""
    share = {"none": (1, 1, 1), "state": (1 / ranks, 1, 1 / ranks), "stateAndGradients": (1 / ranks,) * 3}[sharding]
    return FLOAT * count * (2 + sum(share))


def constants(measured: list[dict]) -> tuple[float, float, float]:
    """alpha, beta and mu: from the merge of norms (two sums of words), MPI's sum alone, and a copy, on two ranks."""
    on_two = [entry for entry in measured if entry["ranks"] == 2]
    if not on_two:
        raise SystemExit("the measurements hold none on 2 ranks, which the constants come from")
    largest = max(on_two, key=lambda entry: entry["count"])
    seconds = {name: row["seconds"] for name, row in largest["rows"].items()}
    size = FLOAT * largest["count"]
    return seconds["ours: merge of norms"] / 2, seconds["ours: MPI's sum alone"] / size, (
        seconds["ours: copy of a gradient"] / (2 * size))


def check(machine: Machine, measured: list[dict], cores: int) -> None:
    print(f"Checked against the measurements ({cores} cores; more ranks take turns)\n")
    print("| ranks | Floats | ordered, measured | by the model | MPI's sum, measured | by the model |")
    print("|--:|--:|--:|--:|--:|--:|")
    for entry in measured:
        ranks, count, rows = entry["ranks"], entry["count"], entry["rows"]
        turns = max(1, ranks / cores)
        cells = []
        for name, model in [("ordered sum, state divided", machine.ordered), ("MPI's sum, whole step", machine.library)]:
            cells += [f"{rows['ours: ' + name]['seconds'] * 1e3:.2f} ms", f"{turns * model(ranks, count) * 1e3:.2f} ms"]
        print(f"| {ranks} | {count:.0e} | {' | '.join(cells)} |")


def predict(machine: Machine, most_ranks: int) -> None:
    print(f"\nOn nodes of {machine.ranks_per_node} ranks; gigabytes of a rank for each sharding\n")
    print("| ranks | Floats | ordered, flat | ordered, node first | MPI's sum | none | state | state and gradients |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    for count in [10**8, 10**10, 10**12]:
        ranks = 8
        while ranks <= most_ranks:
            times = [machine.ordered(ranks, count), machine.ordered(ranks, count, by_node=True)]
            times.append(machine.library(ranks, count))
            sizes = [bytes_of_rank(ranks, count, name) / 1e9 for name in ("none", "state", "stateAndGradients")]
            print(
                f"| {ranks} | {count:.0e} | " + " | ".join(f"{time:.3g} s" for time in times) + " | "
                + " | ".join(f"{size:.3g}" for size in sizes) + " |")
            ranks *= 8
    fastest = [
        ranks for ranks in (2**power for power in range(1, int(math.log2(most_ranks)) + 1))
        if machine.ordered(ranks, 10**10) > machine.library(ranks, 10**10)
    ]
    where = f"from {min(fastest)} ranks on" if fastest else "nowhere"
    print(f"\nWith 10^10 Floats the flat ordered sum is slower than MPI's sum and whole step {where}.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="compare-ranks.sh --model", description=__doc__.split(":")[0])
    parser.add_argument("measured", type=Path, help="ranks.json")
    parser.add_argument("--cores", type=int, default=2, help="of the machine that was measured")
    parser.add_argument("--ranks-per-node", type=int, default=8)
    parser.add_argument("--network-latency", type=float, default=2e-6, help="seconds a message; an assumption")
    parser.add_argument("--network-bandwidth", type=float, default=25e9, help="bytes a second and node; an assumption")
    parser.add_argument("--most-ranks", type=int, default=4096)
    options = parser.parse_args()
    measured = json.loads(options.measured.read_text())
    alpha, beta, mu = constants(measured)
    print(f"alpha {alpha * 1e6:.2f} us, beta {beta * 1e9:.3f} ns, mu {mu * 1e9:.3f} ns; the network: "
          f"{options.network_latency * 1e6:.2f} us, {1e9 / options.network_bandwidth:.3f} ns\n")
    check(Machine(alpha, beta, mu, 10**9, 0, 0), measured, options.cores)
    predict(
        Machine(alpha, beta, mu, options.ranks_per_node, options.network_latency, 1 / options.network_bandwidth),
        options.most_ranks)


if __name__ == "__main__":
    main()

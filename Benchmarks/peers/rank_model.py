"""What a step would take on more ranks than there are here, on paper: from constants that compare_ranks.py has measured,
and from those of a network, which are assumptions. Every rank has all parameters and one gradient of Floats.

Time: the terms of each way, one after the other. What a rank does alone (copies, sums, steps) and what a byte between two
ranks takes was measured where as many ranks did the same at once, since ranks of one machine share its memory. A network
between nodes has a latency and a bandwidth of its own, which the ranks of a node share. Of micro-batches there is one for
each rank, so every rank has one open sum.
"""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

FLOAT = 4
# The largest message of the ordered sum: Chunk.count Floats.
MESSAGE = FLOAT * (1 << 18)


@dataclass
class Constants:
    """Seconds: of a meeting for some words, of a byte from rank to rank, of a byte that MPI's sum moves, and of an element
    that a rank copies, adds, or clips and steps."""

    meeting: float
    byte: float
    summed_byte: float
    copy: float
    add: float
    step: float

    @staticmethod
    def of(entry: dict) -> "Constants":
        ranks, count = entry["ranks"], entry["count"]

        def seconds(name: str) -> float:
            return entry["rows"][f"ours: {name}"]["seconds"]

        # What a rank sends of a vector in one direction; MPI's sum sends it twice.
        sent = FLOAT * count * (ranks - 1) / ranks
        return Constants(
            meeting=seconds("merge of norms") / 2,
            byte=seconds("parts to all alone") / sent if sent else 0,
            summed_byte=seconds("MPI's sum alone") / (2 * sent) if sent else 0,
            copy=seconds("copy of a gradient") / count, add=seconds("sum of two gradients") / count,
            step=seconds("step of each rank alone") / count)


def ordered_here(ranks: int, count: int, of: Constants) -> tuple[float, int]:
    """Copy of the gradient; its parts to their owners; their sum, and a copy of it; the step; the parameters to all. The
    time without meetings, and their number: three for words, one for each message of a part, one for the parameters."""
    sent = FLOAT * count * (ranks - 1) / ranks
    alone = of.copy * (1 + 1 / ranks) + of.add * (ranks - 1) / ranks + of.step / ranks
    return alone * count + 2 * of.byte * sent, 3 + math.ceil(FLOAT * count / ranks / MESSAGE) + 1


def library_here(ranks: int, count: int, of: Constants) -> tuple[float, int]:
    """Copy of the gradient, MPI's sum, and the whole step on every rank."""
    return (of.copy + of.step) * count + 2 * of.summed_byte * FLOAT * count * (ranks - 1) / ranks, 4 + 1


@dataclass
class Cluster:
    of: Constants
    ranks_per_node: int
    latency: float
    byte: float

    def inside(self, ranks: int) -> int:
        return min(ranks, self.ranks_per_node)

    def messages(self, peers: int, size: float, latency: float, byte: float) -> float:
        """To each of some peers, in messages of limited size."""
        return peers * (math.ceil(size / MESSAGE) * latency + size * byte)

    def flat(self, ranks: int, count: int) -> float:
        """Each rank sends every other one its part, whoever is where. All ranks of a node send at once, through one network."""
        inside, part = self.inside(ranks), FLOAT * count / ranks
        return self.messages(inside - 1, part, self.of.meeting, self.of.byte) + self.messages(
            ranks - inside, part, self.latency, self.byte * inside)

    def node_first(self, ranks: int, count: int) -> float:
        """First within the node, so that one sum a node travels, of which each rank sends a share."""
        inside = self.inside(ranks)
        return self.messages(inside - 1, FLOAT * count / inside, self.of.meeting, self.of.byte) + self.messages(
            ranks // inside - 1, FLOAT * count / ranks, self.latency, self.byte * inside)

    def halving(self, ranks: int, count: int) -> float:
        """By nodes, too, and between them in steps of twice the distance and half the size (Rabenseifner): the fewest
        messages with the fewest bytes that a sum in any order can have."""
        inside = self.inside(ranks)
        nodes = ranks // inside
        return self.messages(inside - 1, FLOAT * count / inside, self.of.meeting, self.of.byte) + (
            math.log2(nodes) * self.latency + FLOAT * count * (nodes - 1) / nodes * self.byte)

    def meeting(self, ranks: int) -> float:
        inside = self.inside(ranks)
        return self.of.meeting * math.ceil(math.log2(inside)) + self.latency * math.log2(ranks // inside)

    def ordered(self, ranks: int, count: int, is_flat: bool) -> float:
        inside = self.inside(ranks)
        # Adding is the same work: a part of each of P gradients, or of the node's and then of a sum of each other node.
        adds = (ranks - 1) / ranks if is_flat else (inside - 1) / inside + (ranks / inside - 1) / ranks
        alone = self.of.copy * (1 + 1 / ranks) + self.of.add * adds + self.of.step / ranks
        travel = self.flat if is_flat else self.node_first
        return alone * count + 2 * travel(ranks, count) + 3 * self.meeting(ranks)

    def library(self, ranks: int, count: int) -> float:
        adds = (ranks - 1) / ranks
        return (self.of.copy + self.of.add * adds + self.of.step) * count + 2 * self.halving(ranks, count) + (
            4 * self.meeting(ranks))


def bytes_of_rank(ranks: int, count: int, sharding: str) -> float:
    """Parameters, a gradient, the velocity, an open sum and the result."""
    share = {"none": (1, 1, 1), "state": (1 / ranks, 1, 1 / ranks), "stateAndGradients": (1 / ranks,) * 3}[sharding]
    return FLOAT * count * (2 + sum(share))


def constants(measured: list[dict], ranks: int) -> Constants:
    """Those of the largest vectors: what takes part in a step does not fit into a cache."""
    entries = [entry for entry in measured if entry["ranks"] == ranks]
    if not entries:
        raise SystemExit(f"the measurements hold none on {ranks} ranks, which constants come from")
    return Constants.of(max(entries, key=lambda entry: entry["count"]))


def check(measured: list[dict], cores: int) -> None:
    """Composes the whole from its parts. Where ranks are more than cores they take turns, and whoever waits for another
    waits for its turn: so meetings are as long as they were measured with that many ranks."""
    largest = max(entry["count"] for entry in measured)
    print(f"Checked against the measurements ({cores} cores; more ranks take turns)\n")
    print("| ranks | Floats | ordered, measured | by the model | MPI's sum, measured | by the model |")
    print("|--:|--:|--:|--:|--:|--:|")
    quotients: dict[str, list[float]] = {}
    for entry in measured:
        ranks, count, rows = entry["ranks"], entry["count"], entry["rows"]
        of, turns = constants(measured, min(ranks, cores)), max(1, ranks / cores)
        kind = "with other sizes" if count < largest else "on more ranks than cores" if ranks > cores else "composed"
        cells = []
        for name, model in [
            ("ordered sum, state divided", ordered_here), ("MPI's sum, whole step", library_here)
        ]:
            seconds, (work, meetings) = rows["ours: " + name]["seconds"], model(ranks, count, of)
            expected = turns * work + meetings * Constants.of(entry).meeting
            quotients.setdefault(kind, []).append(expected / seconds)
            cells += [f"{seconds * 1e3:.2f} ms", f"{expected * 1e3:.2f} ms ({expected / seconds:.2f})"]
        print(f"| {ranks} | {count:.0e} | {' | '.join(cells)} |")
    meanings = {
        "composed": "where the parts were measured with as many ranks and elements",
        "on more ranks than cores": "on more ranks than cores",
        "with other sizes": "with fewer elements, some of which fit into a cache",
    }
    print("\nThe model, divided by what was measured, is")
    for kind, values in quotients.items():
        print(f"- {min(values):.2f} to {max(values):.2f} {meanings[kind]}")


def predict(cluster: Cluster, most_ranks: int) -> None:
    print(f"\nOn nodes of {cluster.ranks_per_node} ranks; gigabytes of a rank for each sharding\n")
    print("| ranks | Floats | ordered, flat | ordered, node first | MPI's sum | none | state | state and gradients |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    counts = [10**6, 10**8, 10**10, 10**12]
    for count in counts:
        ranks = 8
        while ranks <= most_ranks:
            times = [cluster.ordered(ranks, count, True), cluster.ordered(ranks, count, False)]
            times.append(cluster.library(ranks, count))
            sizes = [bytes_of_rank(ranks, count, name) / 1e9 for name in ("none", "state", "stateAndGradients")]
            print(
                f"| {ranks} | {count:.0e} | " + " | ".join(f"{time:.3g} s" for time in times) + " | "
                + " | ".join(f"{size:.3g}" for size in sizes) + " |")
            ranks *= 8
    print()
    powers = [2**power for power in range(1, int(math.log2(most_ranks)) + 1)]
    for count in counts:
        def where(is_slower) -> str:
            slower = [ranks for ranks in powers if is_slower(ranks)]
            return f"from {min(slower)} to {max(slower)} ranks" if slower else "nowhere"

        flat = where(lambda ranks: cluster.ordered(ranks, count, True) > cluster.library(ranks, count))
        by_node = where(lambda ranks: cluster.ordered(ranks, count, True) > cluster.ordered(ranks, count, False))
        rest = where(lambda ranks: cluster.ordered(ranks, count, False) > cluster.library(ranks, count))
        print(f"With {count:.0e} Floats the flat ordered sum is slower than MPI's sum and whole step {flat}, and slower than "
              f"the ordered sum that goes by nodes {by_node}; that one is slower than MPI's {rest}.")
    print("\nThe sum that goes by nodes is a plan: DistributedOptimizer sends flat. It has the bits of the flat one if the "
          "micro-batches of a node are a subtree, as where they are a power of two on each of its ranks, which are one too.")


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
    of = constants(measured, options.cores)
    print(f"On {options.cores} ranks at once: a meeting {of.meeting * 1e6:.2f} us; a byte from rank to rank {of.byte * 1e9:.3f} ns, "
          f"in MPI's sum {of.summed_byte * 1e9:.3f} ns; an element copied {of.copy * 1e9:.3f} ns, added {of.add * 1e9:.3f} ns, "
          f"clipped and stepped {of.step * 1e9:.3f} ns. The network, by assumption: {options.network_latency * 1e6:.2f} us, "
          f"{1e9 / options.network_bandwidth:.3f} ns a byte.\n")
    check(measured, options.cores)
    predict(Cluster(of, options.ranks_per_node, options.network_latency, 1 / options.network_bandwidth), options.most_ranks)


if __name__ == "__main__":
    main()

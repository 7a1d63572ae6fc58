"""Measures our step and that of the peers, processes interleaved, and writes tables and a picture.

Every round runs, case by case, our command and then each peer once, as processes of their own: what slows the machine
down for a while slows all of them.
"""

import argparse
import os
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import matrices
import picture
import report
from measure import MATRIX_PEERS, PEERS, Case, Failure, Ours, environment, measure
from shapes import MODELS
from steps import STEPS


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compare-peers.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--momentum", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--sizes", type=counts, default=counts("1e3,1e4,1e5,1e6,1e7,1e8"), help="counts, or none")
    parser.add_argument("--models", type=names(list(MODELS)), default=list(MODELS), help=listed(MODELS))
    parser.add_argument("--matrices", type=matrix_names, help="steps of Muon: sides such as 768x3072, and gpt2")
    parser.add_argument("--step", choices=STEPS, default="plain", help="what is compared")
    peers = [peer.name for peer in PEERS]
    matrix_peers = [peer.name for peer in MATRIX_PEERS]
    known = list(dict.fromkeys(peers + matrix_peers))
    parser.add_argument(
        "--peers", type=names(known), help=f"{listed(peers)}; with --matrices {', '.join(matrix_peers)}")
    parser.add_argument("--rounds", type=positive, default=5, help="processes of each program and case")
    parser.add_argument("--repeats", type=positive, default=10, help="samples a process takes")
    parser.add_argument("--threads", type=positive, default=available_threads(), help="of each program")
    parser.add_argument("--output", type=Path, default=Path("report-peers"), help="a folder")
    options = parser.parse_args()
    able = matrix_peers if options.matrices else [peer.name for peer in PEERS if options.step in peer.steps]
    options.peers = able if options.peers is None else options.peers
    if unable := set(options.peers) - set(able):
        step = "of Muon" if options.matrices else options.step
        parser.error(f"--peers: {', '.join(sorted(unable))} cannot take the step {step}")
    if options.matrices:
        options.sizes, options.models = [], []
    elif not options.sizes and not options.models:
        parser.error("nothing to measure: --sizes and --models are both none")
    if options.threads > available_threads():
        parser.error(f"--threads: {options.threads} asked for, {available_threads()} processors may be used")
    return options


def available_threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is less than 1")
    return number


def counts(text: str) -> list[int]:
    """Reads 1e3,250000 and none."""
    if text == "none":
        return []
    try:
        sizes = [int(float(word)) for word in text.split(",")]
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of counts such as 1e3,250000") from None
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' has a count less than 1")
    return sizes


def matrix_names(text: str) -> list[str]:
    """Reads 768x3072,gpt2."""
    chosen = text.split(",")
    for name in chosen:
        try:
            matrices.shapes(name)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{name}' is neither a shape such as 768x3072 nor gpt2") from None
    return chosen


def listed(known: Iterable[str]) -> str:
    return f"some of {', '.join(known)}, or none; by default all"


def names(known: list[str]):
    def read(text: str) -> list[str]:
        chosen = [] if text == "none" else text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"'{name}' is not among {', '.join(known)}")
        return chosen

    return read


def bind(threads: int) -> None:
    """Leaves this process, and so all it starts, that many processors; some peers know no other way to be told."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def main() -> None:
    options = arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    bind(options.threads)
    ours = Ours(options.momentum, STEPS[options.step])
    variables = environment(options.threads, (options.output / "cache").resolve())
    cases = [Case("--count", str(size)) for size in options.sizes]
    cases += [Case("--model", model) for model in options.models]
    cases += [Case("--matrices", name) for name in options.matrices or []]
    # The plain calls are those of the plain step; one pass makes no difference to matrices.
    left_out = {report.ONE_PASS} if options.matrices else set() if options.step == "plain" else {report.PLAIN}
    programs = [*(name for name in report.OWN if name not in left_out), *options.peers]
    title = matrices.TITLE if options.matrices else STEPS[options.step].title
    results = report.Results(cases, programs, title, options.threads, options.rounds)
    if options.matrices:
        results.limit = "products of two tiles in cache, as many operations as ours"
    chosen = [peer for peer in (MATRIX_PEERS if options.matrices else PEERS) if peer.name in options.peers]
    for number in range(1, options.rounds + 1):
        for case in cases:
            print(f"round {number} of {options.rounds}, {case.name}:", end="", file=sys.stderr, flush=True)
            results.add_ours(case, ours.measure(case, options.repeats, options.threads))
            if report.ONE_PASS in programs:
                results.add_one_pass(case, ours.measure(case, options.repeats, options.threads, one_pass=True))
            for peer in chosen:
                # Failing once is enough: the reason would be the same, and a time limit would be waited for again.
                if (case, peer.name) not in results.failures:
                    measured = partial(measure, peer, case, options.step, options.repeats, options.threads, variables)
                    results.add(case, peer.name, measured)
                    print(f" {peer.name}", end="", file=sys.stderr, flush=True)
            print(file=sys.stderr)
            report.write(results, options.output)
    drawn = picture.draw(results, options.output)
    print((options.output / "peers.md").read_text())
    print(f"Written: {', '.join(str(options.output / name) for name in [*report.FILES, *drawn])}")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"compare-peers.sh: {failure}")

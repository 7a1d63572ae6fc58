"""The results of a comparison, and the files that tell them: JSON with every sample, CSV, and a table in Markdown."""

import csv
import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from measure import Case, Failure
from problem import INACCURATE_COEFFICIENT

OURS = "momentum"
# Five sweeps of OpenBLAS over the whole vectors (nrm2, scal, scal, axpy, axpy), called by our command in turn with our
# step.
PLAIN = "openblas"
# Our step in one pass, with a gradient that is not clipped.
ONE_PASS = "momentum-one-pass"
# Hand-fused loops in C, with the traffic of two passes.
LIMIT = "limit"
OWN = [OURS, ONE_PASS, LIMIT, PLAIN]
FILES = ["peers.json", "peers.csv", "peers.md"]


@dataclass(frozen=True)
class Timing:
    """The best and the median second of one program in one case, over all rounds."""

    best: float
    median: float


@dataclass
class Results:
    cases: list[Case]
    programs: list[str]
    # What the step does.
    title: str
    threads: int
    rounds: int
    runs: dict[tuple[Case, str], list[dict]] = field(default_factory=dict)
    failures: dict[tuple[Case, str], str] = field(default_factory=dict)
    machine: dict = field(default_factory=dict)
    # What the limit does.
    limit: str = "hand-fused loops in C"

    def add_ours(self, case: Case, row: dict) -> None:
        """Takes our row, and the plain OpenBLAS calls in it. A failure of ours leaves nothing to compare with."""
        self.machine = row.pop("machine")
        self.runs.setdefault((case, OURS), []).append({"version": self.machine["momentumVersion"], **row})
        limit = {key: row[f"limit{key[0].upper()}{key[1:]}"] for key in ["secondsMin", "secondsMedian"]}
        self.runs.setdefault((case, LIMIT), []).append({"version": self.limit, **limit})
        if PLAIN in self.programs:
            plain = {key: row[f"plain{key[0].upper()}{key[1:]}"] for key in ["secondsMin", "secondsMedian"]}
            self.runs.setdefault((case, PLAIN), []).append({"version": self.machine["blas"]["config"], **plain})

    def add_one_pass(self, case: Case, row: dict) -> None:
        row.pop("machine")
        self.runs.setdefault((case, ONE_PASS), []).append({"version": self.machine["momentumVersion"], **row})

    def add(self, case: Case, program: str, measure: Callable[[], dict]) -> None:
        """Takes a measurement of a peer, or the reason why there is none."""
        try:
            self.runs.setdefault((case, program), []).append(measure())
        except Failure as failure:
            self.failures[case, program] = str(failure)

    def timing(self, case: Case, program: str) -> Timing | None:
        runs = self.runs.get((case, program))
        if not runs or (case, program) in self.failures:
            return None
        best = min(run["secondsMin"] for run in runs)
        return Timing(best, statistics.median(run["secondsMedian"] for run in runs))

    def ratios(self, case: Case, program: str, ours: str = OURS) -> Timing | None:
        """How many times as long as ours, or as another program of ours: the fastest steps of all rounds, and the median
        over the rounds, whose processes have run nearest to one another, of the ratio of their fastest steps."""
        best, our_best = self.timing(case, program), self.timing(case, ours)
        if best is None or our_best is None:
            return None
        rounds = zip(self.runs[case, program], self.runs[case, ours])
        ratios = [theirs["secondsMin"] / our["secondsMin"] for theirs, our in rounds]
        return Timing(best.best / our_best.best, statistics.median(ratios))

    def norm_error(self, case: Case, program: str) -> float | None:
        """How far the norm that a peer clipped to is from the one asked for, where that is worth telling."""
        for run in self.runs.get((case, program), []):
            error = float(run.get("coefficientError", 0))
            if abs(error) > INACCURATE_COEFFICIENT:
                return error
        return None

    def version(self, program: str) -> str:
        runs = [run for (_, name), runs in self.runs.items() if name == program for run in runs]
        return runs[0]["version"] if runs else "none ran"


def write(results: Results, folder: Path) -> None:
    (folder / "peers.json").write_text(json.dumps(as_json(results), indent=2) + "\n")
    with open(folder / "peers.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["case", "program", "version", "best_s", "median_s", "best_ratio", "median_ratio", "remark"])
        for case in results.cases:
            for program in results.programs:
                rows.writerow(csv_row(results, case, program))
    (folder / "peers.md").write_text(markdown(results))


def as_json(results: Results) -> dict:
    return {
        "machine": results.machine,
        "step": results.title,
        "threads": results.threads,
        "rounds": results.rounds,
        "runs": [
            {"case": case.value, "program": program, **run}
            for (case, program), runs in results.runs.items()
            for run in runs
        ],
        "failures": [
            {"case": case.value, "program": program, "cause": cause}
            for (case, program), cause in results.failures.items()
        ],
    }


def csv_row(results: Results, case: Case, program: str) -> list:
    timing, ratios = results.timing(case, program), results.ratios(case, program)
    error = results.norm_error(case, program)
    remark = results.failures.get((case, program), f"norm off by {error:+.1e}" if error else "")
    times = [timing.best, timing.median] if timing else ["", ""]
    times += [ratios.best, ratios.median] if ratios else ["", ""]
    return [case.value, program, results.version(program), *times, remark]


def markdown(results: Results) -> str:
    """Tables: seconds of the fastest step, and the ratios to ours, best and median; then the versions and the remarks."""
    processor = results.machine.get("processor", "unknown processor")
    remarks: list[str] = []
    times = table(results, lambda case, program: duration_cell(results, case, program, remarks))
    ratios = table(results, lambda case, program: ratio_cell(results, case, program))
    versions = "\n".join(f"- {program}: {results.version(program)}" for program in results.programs)
    lines = [
        f"# One step: {results.title}",
        f"{processor}, {results.threads} threads, {results.rounds} rounds, processes interleaved.",
        "## Fastest step",
        times,
        "## Times as long as momentum takes: fastest step (median of the rounds)",
        ratios,
    ]
    if ONE_PASS in results.programs:
        lines += [
            "## Times as long as momentum takes in one pass, where nothing is clipped: fastest step (median of the rounds)",
            table(results, lambda case, program: ratio_cell(results, case, program, ONE_PASS)),
        ]
    lines += ["## Versions", versions]
    if remarks:
        lines += ["## Remarks", "\n".join(f"{i}. {remark}" for i, remark in enumerate(remarks, start=1))]
    return "\n\n".join(lines) + "\n"


def table(results: Results, cell: Callable[[Case, str], str]) -> str:
    head = ["program", *(case.name for case in results.cases)]
    rows = [[program, *(cell(case, program) for case in results.cases)] for program in results.programs]
    lines = [head, ["---", *("--:" for _ in results.cases)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def duration_cell(results: Results, case: Case, program: str, remarks: list[str]) -> str:
    timing = results.timing(case, program)
    error = results.norm_error(case, program)
    remark = results.failures.get((case, program))
    if remark is None and error:
        remark = f"{program}, {case.name}: the norm after clipping is off by {error:+.1e}"
    elif remark:
        remark = f"{program}, {case.name}: {remark}"
    if remark:
        remarks.append(remark)
    mark = f" [{len(remarks)}]" if remark else ""
    return (duration(timing.best) if timing else "none" if remark else "not measured yet") + mark


def ratio_cell(results: Results, case: Case, program: str, ours: str = OURS) -> str:
    ratios = results.ratios(case, program, ours)
    return f"{ratios.best:.2f} ({ratios.median:.2f})" if ratios else ""


def duration(seconds: float) -> str:
    for unit, size in [("s", 1.0), ("ms", 1e-3)]:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"

"""The picture of a comparison: ratios against the size on the left, networks or matrices on the right. By gnuplot."""

import shutil
import subprocess
import sys
from pathlib import Path

from measure import Case
from report import OURS, Results

COLOURS = ["#4477aa", "#66ccee", "#228833", "#ccbb44", "#eecc66", "#ee6677", "#ee99aa", "#aa3377", "#997700", "#444444",
           "#88ccaa", "#bbbbbb"]


def draw(results: Results, folder: Path) -> list[str]:
    """Writes the commands, and the pictures if there is a gnuplot; returns the names of the files."""
    (folder / "peers.gnuplot").write_text(script(results))
    if shutil.which("gnuplot") is None:
        print("gnuplot not found: no picture drawn (Debian: apt install gnuplot-nox)", file=sys.stderr)
        return ["peers.gnuplot"]
    subprocess.run(["gnuplot", "peers.gnuplot"], cwd=folder, check=True)
    return ["peers.svg", "peers.png", "peers.gnuplot"]


def script(results: Results) -> str:
    peers = [program for program in results.programs if program != OURS]
    sizes = [case for case in results.cases if case.option == "--count"]
    models = [case for case in results.cases if case.option != "--count"]
    panels = [panel for panel in [lines(results, peers, sizes), bars(results, peers, models)] if panel]
    commands = [
        "set logscale y",
        "set grid ytics lc rgb '#dddddd'",
        "set border 3",
        "set tics nomirror out",
        "set ylabel 'times as long as momentum takes'",
        # Room below 1, where a peer is faster than we are.
        "set yrange [*<0.4:*]",
    ]
    head = "set multiplot layout 1,{} title 'One step: {} ({} threads)'"
    body = [*commands, head.format(len(panels), results.title, results.threads), *panels, "unset multiplot"]
    drawing = "\n".join(body)
    return (
        f"set terminal svg size 1200,520 dynamic font 'DejaVu Sans,12' background rgb 'white'\n"
        f"set output 'peers.svg'\n{drawing}\nset output\nreset\n"
        f"set terminal pngcairo size 1200,520 font 'DejaVu Sans,10' background rgb 'white'\n"
        f"set output 'peers.png'\n{drawing}\n"
    )


def lines(results: Results, peers: list[str], cases: list[Case]) -> str:
    blocks, plots = [], []
    for number, peer in enumerate(peers):
        rows = [(case.value, ratios.best) for case in cases if (ratios := results.ratios(case, peer))]
        if rows:
            blocks.append(data(f"size{number}", rows))
            style = f"with linespoints lw 2 pt 7 ps 0.6 lc rgb '{COLOURS[number % len(COLOURS)]}'"
            plots.append(f"$size{number} using 1:2 {style} title '{peer}'")
    if not plots:
        return ""
    settings = [
        "set logscale x",
        "set autoscale xfix" if len(cases) > 1 else "",
        "set format x '10^{%L}'",
        "set xlabel 'parameters in one vector'",
        "set key outside right reverse Left samplen 2",
    ]
    return "\n".join([*blocks, *settings, f"plot 1 lc rgb '#777777' dt 2 notitle, {', '.join(plots)}"])


def bars(results: Results, peers: list[str], cases: list[Case]) -> str:
    rows = []
    for place, case in enumerate(cases):
        for number, peer in enumerate(peers):
            if ratios := results.ratios(case, peer):
                colour = int(COLOURS[number % len(COLOURS)][1:], 16)
                rows.append((place * (len(peers) + 2) + number, ratios.best, colour))
    if not rows:
        return ""
    middle = (len(peers) - 1) / 2
    tics = ", ".join(f"'{case.name}' {place * (len(peers) + 2) + middle}" for place, case in enumerate(cases))
    settings = [
        "unset logscale x",
        f"set xtics ({tics})",
        "unset xlabel",
        "set key off",
        f"set xrange [-1.5:{len(cases) * (len(peers) + 2) - 1.5}]",
    ]
    # Boxes on a logarithmic axis would start at its lower end; these start at 1, where a peer is as fast as we are.
    boxes = "plot 1 lc rgb '#777777' dt 2 notitle, $bars using 1:(1):($1-0.4):($1+0.4):(1):2:3 with boxxyerror"
    return "\n".join([data("bars", rows), *settings, f"{boxes} fill solid lc rgb variable notitle"])


def data(name: str, rows: list[tuple]) -> str:
    return "\n".join([f"${name} << EOD", *(" ".join(map(str, row)) for row in rows), "EOD"])

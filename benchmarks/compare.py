#!/usr/bin/env python
"""fastbn, on each of its backends, beside the limit of this machine's memory and beside others.

Everything in a row runs in turn in one process, on the same arrays and as many threads, after a call that is not
counted and is checked against NumPy in float64. Written are a JSON file, two Markdown tables and a figure of the minima
over the time that memory needs for the same bytes (`bandwidth.py`). Those that are not installed are left out:
pip install numba torch scikit-learn scipy bottleneck numbagg opencv-python-headless albucore matplotlib
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import fastbn
from bandwidth import Probe
from compare_common import SIZES, SMALL, Row, set_threads
from compare_rows import ROWS
from fastbn._backends import HOSTS
from side_by_side import PAUSE, describe_machine

#: How what is called in a row begins -> whose it is.
LIBRARIES = {
    "fastbn": "fastbn",
    "NumPy mean, std; albucore": "NumPy, albucore",
    "NumPy": "NumPy",
    "torch": "PyTorch",
    "StandardScaler": "scikit-learn",
    "MinMaxScaler": "scikit-learn",
    "scipy": "SciPy",
    "bottleneck": "bottleneck",
    "numbagg": "numbagg",
    "cv2": "OpenCV",
}


def library(call: str) -> str:
    """Whose a call of a row is."""
    return next(library for start, library in LIBRARIES.items() if call.startswith(start))


def measure(row: Row, probe: Probe, rounds: int) -> dict:
    """Time everything of a row in turn; check what comes out first."""
    calls: dict[str, Callable[[], object]] = dict(probe.calls())
    sides = {
        f"fastbn, {info.name}": _on(info.name, row.ours)
        for info in fastbn.backends()
        if info.available and info.name in HOSTS
    }
    sides |= row.peers
    errors = {name: row.error(call()) for name, call in sides.items()}
    calls |= sides
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            time.sleep(PAUSE)  # in which the idle workers of others stop spinning
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    least = {name: min(seen) for name, seen in seconds.items()}
    return {
        "row": row.name,
        "limit": probe.limit({name: least[name] for name in probe.calls()}, row.read, row.written, row.allocated),
        "minimum": least,
        "median": {name: statistics.median(seen) for name, seen in seconds.items()},
        "error": errors,
    }


def _on(backend: str, call: Callable[[], object]) -> Callable[[], object]:
    def run() -> object:
        with fastbn.use_backend(backend):
            return call()

    return run


def table(results: list[dict]) -> str:
    """Minima over the limit, and the largest error, of everything in every row."""
    lines = [
        "| row | limit, ms | who | time / limit | median / limit | largest error |",
        "|---|---:|---|---:|---:|---:|",
    ]
    for result in results:
        for name, error in result["error"].items():
            times = [f"{result[kind][name] / result['limit']:.2f}" for kind in ("minimum", "median")]
            lines.append(
                f"| {result['row']} | {1e3 * result['limit']:.2f} | {name} | {' | '.join(times)} | {error:.1e} |"
            )
    return "\n".join(lines) + "\n"


def summary(results: list[dict]) -> str:
    """A line for each row: minima over the limit, and largest errors, of fastbn (its faster backend) and of others."""
    columns = ["fastbn", "NumPy", "PyTorch", "scikit-learn", "others"]
    lines = [f"| row | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for result in results:
        cells: dict[str, list[str]] = {column: [] for column in columns}
        least = result["minimum"]
        ours = min((name for name in result["error"] if name.startswith("fastbn")), key=least.__getitem__)
        for name, error in result["error"].items():
            column = library(name) if library(name) in columns else "others"
            if column != "fastbn" or name == ours:
                shown = f"{least[name] / result['limit']:.2f} ({error:.0e})"
                cells[column].append(f"{shown} {name.partition(' ')[0]}" if column == "others" else shown)
        lines.append(f"| {result['row']} | {' | '.join(', '.join(cells[column]) for column in columns)} |")
    return "\n".join(lines) + "\n"


def draw(results: list[dict], path: Path) -> None:
    """Draw times over the limit, a row of points for each operation."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return
    names = list(dict.fromkeys(name for result in results for name in result["error"]))
    figure = Figure(figsize=(9, 1 + 0.32 * len(results)), layout="constrained")
    axes = figure.subplots()
    for name in names:
        found = [
            (result["minimum"][name] / result["limit"], k)
            for k, result in enumerate(results)
            if name in result["error"]
        ]
        axes.plot(*zip(*found, strict=True), "o" if name.startswith("fastbn") else "x", label=name)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(xscale="log", xlabel="time over that of memory", yticks=range(len(results)))
    axes.set_yticklabels([result["row"] for result in results], fontsize=7)
    axes.invert_yaxis()
    axes.legend(fontsize=7)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fastbn"}):
        figure.savefig(path, metadata={"Date": None})


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only rows whose names have one of these")
    parser.add_argument("--threads", type=int, default=2, help="threads of every side that has threads (default: 2)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="tiny arrays, one round: measures nothing")
    parser.add_argument("--output", type=Path, default=Path("compare"), help="folder for results (default: compare)")
    options = parser.parse_args(arguments)
    rounds = 1 if options.quick else options.rounds
    fastbn.set_num_threads(options.threads)
    set_threads(options.threads)
    probe = Probe(options.threads, *([1 << 16] if options.quick else []))
    results = []
    for make in ROWS:
        for row in make(SMALL if options.quick else SIZES):
            if options.words and not any(word in row.name for word in options.words):
                continue
            results.append(measure(row, probe, rounds))
            print(table(results[-1:]).partition("|\n")[2].partition("|\n")[2], end="", flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    machine = describe_machine(options.threads)
    (options.output / "compare.json").write_text(json.dumps({"machine": machine, "rows": results}, indent=1) + "\n")
    (options.output / "compare.md").write_text(f"{machine}\n\n{table(results)}")
    (options.output / "summary.md").write_text(f"{machine}\n\n{summary(results)}")
    draw(results, options.output / "compare.svg")


if __name__ == "__main__":
    main()

#!/usr/bin/env python
"""The picture of the README: fastbn beside others, in time and accuracy.

`measure` takes the operations of the picture from `compare.py` and the variances from `side_by_side.py`, and writes
results/peers.json; `draw` draws docs/figures/peers.svg from it. What is needed is listed in `compare.py`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import fastbn
from bandwidth import Probe
from compare import LIBRARIES, library, measure
from compare_common import SIZES, SMALL, set_threads
from compare_rows import ROWS
from side_by_side import describe_machine, variance_errors

MEASURED = Path(__file__).parent / "results" / "peers.json"
PICTURE = Path(__file__).parents[1] / "docs" / "figures" / "peers.svg"
#: Rows of `compare.py` -> what the picture calls them.
OPERATIONS = {
    "channel_stats, NCHW, float32": "channel_stats, (32, 64, 112, 112)",
    "channel_stats, table, float32": "channel_stats, table (2²⁰, 32)",
    "channel_stats, narrow table, float32": "channel_stats, table (2²⁴, 3)",
    "batch_norm, training, NCHW, float32, out=": "batch_norm, (32, 64, 112, 112)",
    "batch_norm_backward, NCHW, float32, out=": "its gradients",
    "zscore, table, float32, new memory": "zscore, table (2²⁰, 32)",
    "minmax_scale, table, float32, new memory": "minmax_scale, the same",
    "zscore, pictures, uint8, out=": "zscore, 32 uint8 images",
}
DATA = {
    "float32_normal": "float32, N(0, 1)",
    "float32_1e4": "float32, 1e4 + N(0, 1)",
    "float32_300_0.01": "float32, 300 + 0.01 N(0, 1)",
    "float64_1e8": "float64, 1e8 + N(0, 1)",
    "float64_1e15_steps": "float64, 1e15 + {0, 1, 2, 3}",
}
#: One colour and one shape for each library: told apart without colours, too.
LOOKS = {
    "fastbn": ("#0072b2", "o"),
    "NumPy": ("#d55e00", "s"),
    "PyTorch": ("#009e73", "^"),
    "scikit-learn": ("#e69f00", "D"),
    "SciPy": ("#cc79a7", "v"),
    "bottleneck": ("#56b4e9", "P"),
    "numbagg": ("#999999", "X"),
    "OpenCV": ("#000000", "*"),
    "NumPy, albucore": ("#a03000", "d"),
}
EXACT = 1e-17  # where errors of 0 are drawn: below the smallest that a float64 near 1 can have


def measured(threads: int, rounds: int, sizes: dict) -> dict:
    """Times over that of memory and errors of variances, of the least of each library."""
    fastbn.set_num_threads(threads)
    set_threads(threads)
    probe = Probe(threads, *([] if sizes is SIZES else [1 << 16]))
    times = {}
    for row in (row for make in ROWS for row in make(sizes) if row.name in OPERATIONS):
        result = measure(row, probe, rounds)
        times[row.name] = _least({call: result["minimum"][call] / result["limit"] for call in result["error"]})
    errors = {data: _worst(calls) for data, calls in variance_errors().items() if data in DATA}
    return {"machine": describe_machine(threads), "time over that of memory": times, "error of the variance": errors}


def _least(calls: dict[str, float]) -> dict[str, float]:
    return {name: min(v for call, v in calls.items() if library(call) == name) for name in _libraries(calls)}


def _worst(calls: dict[str, float]) -> dict[str, float]:
    return {name: max(v for call, v in calls.items() if library(call) == name) for name in _libraries(calls)}


def _libraries(calls: dict[str, float]) -> list[str]:
    return [name for name in dict.fromkeys(LIBRARIES.values()) if name in set(map(library, calls))]


def draw(results: dict, path: Path) -> None:
    """Draw both panels: a row for each operation and each kind of data, a point for each library."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _points(left, results["time over that of memory"], OPERATIONS)
    left.set(title="Time over that of memory", xlabel="1: as fast as memory")
    _points(right, results["error of the variance"], DATA)
    right.set(title="Relative error of the variance", xlabel="leftmost: exact", xlim=(EXACT / 3, 30))
    handles = [mpl.lines.Line2D([], [], color=c, marker=m, linestyle="", label=name) for name, (c, m) in LOOKS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fastbn"}):
        figure.savefig(path, metadata={"Date": None})


def _points(axes, table: dict[str, dict[str, float]], labels: dict[str, str]) -> None:
    for place, row in enumerate(labels):
        for name, value in reversed(table[row].items()):  # fastbn on top
            color, marker = LOOKS[name]
            beside = place + 0.08 * (list(LOOKS).index(name) - 4)  # equal values would hide each other
            axes.plot(max(value, EXACT), beside, marker, color=color, markersize=7 if name == "fastbn" else 6)
    axes.set(xscale="log", yticks=range(len(labels)))
    axes.set_yticklabels(labels.values())
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def main(arguments: list[str] | None = None) -> None:
    """Measure, or draw what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["measure", "draw"])
    parser.add_argument("--threads", type=int, default=2, help="threads of every side that has threads (default: 2)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="tiny arrays, one round: measures nothing")
    parser.add_argument("--results", type=Path, default=MEASURED)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    options = parser.parse_args(arguments)
    if options.step == "draw":
        draw(json.loads(options.results.read_text(encoding="utf-8")), options.picture)
        return
    rounds, sizes = (1, SMALL) if options.quick else (options.rounds, SIZES)
    results = measured(options.threads, rounds, sizes)
    options.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

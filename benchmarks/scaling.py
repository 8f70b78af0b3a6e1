#!/usr/bin/env python
"""fastbn's time per value against the size of the array and the number of threads: is there a cliff?

Tables of 32 columns, from 10^2 to 10^9 values, half a decade apart. Everything of a size runs in turn in one process;
the output of maps is there before. Written are a Markdown table of nanoseconds per value and a figure. More threads
than the machine has cores show what they cost where they cannot gain anything.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fastbn
from side_by_side import describe_machine

COLUMNS = 32
LEAST = 2e-3  # seconds that are timed at once
OPERATIONS = ("channel_stats", "normalize, out=", "batch_norm, out=")
Found = dict[tuple[str, int], list[float]]  # operation and threads -> nanoseconds per value, size by size


def calls(x: np.ndarray, out: np.ndarray) -> dict[str, Callable[[], object]]:
    """Every operation on one array."""
    stats = fastbn.channel_stats(x)
    found = (
        lambda: fastbn.channel_stats(x),
        lambda: fastbn.normalize(x, stats, out=out),
        lambda: fastbn.batch_norm(x, out=out),
    )
    return dict(zip(OPERATIONS, found, strict=True))


def measure(sizes: list[int], threads: list[int], rounds: int) -> Found:
    """Nanoseconds per value: the least of some rounds."""
    found: Found = {(name, count): [] for name in OPERATIONS for count in threads}
    room, others = np.ones(max(sizes), np.float32), np.ones(max(sizes), np.float32)
    some = np.random.default_rng(0).standard_normal(1 << 16, np.float32)
    for start in range(0, room.size, some.size):
        room[start : start + some.size] = some[: room.size - start]
    for size in sizes:
        x, out = (whole[:size].reshape(-1, COLUMNS) for whole in (room, others))
        made = calls(x, out)
        least = dict.fromkeys(found, np.inf)
        for _ in range(rounds):
            for count in threads:
                fastbn.set_num_threads(count)
                for name, call in made.items():
                    least[name, count] = min(least[name, count], _seconds(call, size))
        for key, seconds in least.items():
            found[key].append(1e9 * seconds / size)
    return found


def _seconds(call: Callable[[], object], size: int) -> float:
    """Seconds of a call, of as many as take a while."""
    number = max(1, int(LEAST / (1e-5 + 1e-9 * size)))
    start = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start) / number


def table(sizes: list[int], found: Found) -> str:
    """Nanoseconds per value, a row for each size."""
    lines = [
        "| values | " + " | ".join(f"{name}, {count}" for name, count in found) + " |",
        "|---:|" + "---:|" * len(found),
    ]
    for size, row in zip(sizes, zip(*found.values(), strict=True), strict=True):
        lines.append(f"| {size:.1e} | " + " | ".join(f"{each:.3g}" for each in row) + " |")
    return "\n".join(lines) + "\n"


def draw(sizes: list[int], found: Found, path: Path) -> None:
    """Draw a curve for each operation and number of threads."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(OPERATIONS), sharey=True), OPERATIONS, strict=True):
        for (operation, count), times in found.items():
            if operation == name:
                axes.plot(sizes, times, ".-", label=f"{count} thread{'s' * (count > 1)}")
        axes.set(xscale="log", yscale="log", title=name, xlabel="values")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.axes[0].set_ylabel("ns per value")
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fastbn"}):
        figure.savefig(path, metadata={"Date": None})


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--most", type=float, default=1e9, help="values of the largest array (default: 1e9, 8 GB)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="tiny arrays, one round: measures nothing")
    parser.add_argument("--output", type=Path, default=Path("scaling"), help="folder for results (default: scaling)")
    options = parser.parse_args(arguments)
    most, rounds = (1e3, 1) if options.quick else (options.most, options.rounds)
    exponents = np.arange(2, np.log10(most) + 1e-9, 0.5)
    sizes = [COLUMNS * max(1, round(10**e / COLUMNS)) for e in exponents]
    before = fastbn.get_num_threads()
    found = measure(sizes, options.threads, rounds)
    fastbn.set_num_threads(before)
    text = f"{describe_machine(max(options.threads))}\n\n{table(sizes, found)}"
    print(text, end="")
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "scaling.md").write_text(text)
    draw(sizes, found, options.output / "scaling.svg")


if __name__ == "__main__":
    main()

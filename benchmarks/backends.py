#!/usr/bin/env python
"""The backends of this installation beside each other, over every timed row of the asv suite, as a Markdown table.

Both sides of a row run in turn in one process, on the same arrays. Shown are minima (other programs only ever add
time) and the ratio to the first backend.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from typing import Any

import fastbn
from benchmarks import batchnorm, normalization, statistics
from benchmarks.common import DTYPES, LAYOUTS, Calls
from fastbn._backends import HOSTS

SUITES: tuple[type[Calls], ...] = (statistics.ChannelStats, normalization.Normalization, batchnorm.BatchNorm)


def rows(layouts: list[str], dtypes: list[str], backends: list[str], rounds: int) -> Iterator[tuple[str, list[float]]]:
    """Yield the name of each row and the seconds of a call on each backend."""
    for suite, layout, dtype in itertools.product(SUITES, layouts, dtypes):
        benchmark: Any = suite()
        benchmark.prepare(layout, dtype, backends[0])
        try:
            for name, operation in suite.operations.items():
                best = [float("inf")] * len(backends)
                repeat = 200 if benchmark.x.size < 10**5 else 1
                for round_ in range(-1, rounds):  # one more at first, which compiles
                    for side, backend in enumerate(backends):
                        with fastbn.use_backend(backend):
                            start = time.perf_counter()
                            for _ in range(repeat):
                                operation(benchmark)
                            if round_ >= 0:
                                best[side] = min(best[side], (time.perf_counter() - start) / repeat)
                yield f"{name} {layout} {dtype}", best
        finally:
            benchmark.teardown()


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    available = [info.name for info in fastbn.backends() if info.available and info.name in HOSTS]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, help="default: all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--layout", action="append", choices=LAYOUTS)
    parser.add_argument("--dtype", action="append", choices=DTYPES)
    options = parser.parse_args(arguments)
    if options.threads:
        fastbn.set_num_threads(options.threads)
    print(f"{fastbn.get_num_threads()} threads, minimum of {options.rounds} calls in turn; milliseconds\n")
    print("| | " + " | ".join([*available, *(f"{name}/{available[0]}" for name in available[1:])]) + " |")
    print("|---" + "|---:" * (2 * len(available) - 1) + "|", flush=True)
    for name, seconds in rows(options.layout or list(LAYOUTS), options.dtype or DTYPES, available, options.rounds):
        cells = [f"{s * 1e3:.4g}" for s in seconds] + [f"{s / seconds[0]:.2f}" for s in seconds[1:]]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()

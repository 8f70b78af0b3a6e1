#!/usr/bin/env python
"""The scalers of `fastbn.sklearn` beside scikit-learn's: a large table, memory, and calls on a small one.

Both sides of a row take turns in one process, on the same array, as in `side_by_side.py`, whose way of measuring this
takes; memory is that of a new process for each. Needs scikit-learn.
"""

from __future__ import annotations

import argparse
import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fastbn
import fastbn.sklearn
from benchmarks.memory import resident_peak
from compare_common import data, sklearn
from side_by_side import describe_machine, medians, print_table

SMALL = (32, 16)
FULL = {"table": (2**20, 32), "rounds": 9, "small_calls": 500}
QUICK = {"table": (64, 4), "rounds": 1, "small_calls": 2}
SIDES = {"fastbn": fastbn.sklearn, "scikit-learn": sklearn}
SCALERS = ("StandardScaler", "MinMaxScaler")
METHODS = ("fit", "transform", "fit_transform", "inverse_transform")


def methods(scaler: str, method: str, x: np.ndarray) -> list[Callable[[], object]]:
    """The same call of both sides."""
    fitted = [getattr(module, scaler)().fit(x) for module in SIDES.values()]
    return [functools.partial(getattr(one, method), x) for one in fitted]


def print_times(title: str, x: np.ndarray, unit: float, rounds: int, repeat: int) -> None:
    """Print medians of every method, in a unit of seconds."""
    rows = []
    for scaler in SCALERS:
        for method in METHODS:
            ours, theirs = medians(methods(scaler, method, x), rounds, repeat)
            rows.append([f"{scaler}.{method}", f"{ours / unit:.1f}", f"{theirs / unit:.1f}", f"{theirs / ours:.1f} x"])
    print_table(title, ["call", *SIDES, "ratio"], rows)


def extra_memory(module: str, scaler: str, shape: tuple[int, ...]) -> float:
    """Return how much a process grows at most in `fit_transform`, over the size of the data."""
    code = f"import scalers; print(scalers.growth({module!r}, {scaler!r}, {shape}, {fastbn.get_num_threads()}))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # where this one finds modules
    found = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, env=environment)
    return float(found.stdout)


def growth(module: str, scaler: str, shape: tuple[int, ...], threads: int) -> float:
    """The same for this process."""
    fastbn.set_num_threads(threads)
    fitted = getattr(SIDES[module], scaler)()
    fitted.fit_transform(data(SMALL, "float32"))  # loads what is needed once
    x = data(shape, "float32")
    Path("/proc/self/clear_refs").write_text("5")
    before = resident_peak()
    result = fitted.fit_transform(x)
    assert result.shape == shape
    return (resident_peak() - before) / x.nbytes


def print_memory(size: dict) -> None:
    """Print the peak of `fit_transform` beyond its input, where the peak of a process can be reset: on Linux."""
    if not Path("/proc/self/clear_refs").exists():
        return
    rows = [
        [f"{scaler}.fit_transform", *(f"{extra_memory(module, scaler, size['table']):.2f}" for module in SIDES)]
        for scaler in SCALERS
    ]
    print_table(f"Peak memory beyond the input, over its size, float32 {size['table']}", ["call", *SIDES], rows)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="threads of fastbn; scikit-learn has one (default: 2)")
    parser.add_argument("--quick", action="store_true", help="tiny arrays, one round: measures nothing")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else FULL
    fastbn.set_num_threads(options.threads)
    print(describe_machine(options.threads))
    print_times(f"ms, float32 {size['table']}", data(size["table"], "float32"), 1e-3, size["rounds"], 1)
    print_memory(size)
    small = data(SMALL, "float32")
    print_times(f"microseconds, float32 {SMALL}", small, 1e-6, size["rounds"], size["small_calls"])


if __name__ == "__main__":
    main()

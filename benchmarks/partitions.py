#!/usr/bin/env python
"""Statistics of very many partitions in one process: what a cluster would merge, without the cluster.

Every partition is reduced to its state, and the states are merged by the tree of `fastbn.dask`. Printed are time and
memory of the merge, the bytes of a state on the wire, and how far mean and variance are from the exact ones: values are
integers over a power of two, whose sums and sums of squares are added up as integers. Dask's own share, the graph of so
many partitions, is built and optimized, too.
"""

from __future__ import annotations

import argparse
import math
import pickle
import time
import tracemalloc
from collections.abc import Callable, Iterator
from fractions import Fraction

import dask
import dask.array as da
import numpy as np

import fastbn
import fastbn.dask
from benchmarks.accuracy import ulps
from fastbn.dask._states import SPLIT_EVERY, union
from side_by_side import describe_machine

UNIT = 2.0**-20
OFFSET = 280 << 20  # in such units: the mean is 280.5, the standard deviation 0.29
Truth = list[tuple[Fraction, Fraction]]


def partitions(count: int, rows: int, channels: int) -> Iterator[np.ndarray]:
    """Integers from 0 to 2^20, seeded."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield rng.integers(0, 1 << 20, (rows, channels), endpoint=True)


def exact(count: int, rows: int, channels: int) -> Truth:
    """Mean and variance of every channel."""
    total, squares = np.zeros(channels, object), np.zeros(channels, object)
    for r in partitions(count, rows, channels):
        total += r.sum(axis=0).astype(object)
        squares += (r * r).sum(axis=0).astype(object)
    n, unit = count * rows, Fraction(UNIT)
    return [
        (unit * (OFFSET + Fraction(s, n)), unit**2 * (Fraction(q, n) - Fraction(s, n) ** 2))
        for s, q in zip(total, squares, strict=True)
    ]


def merged(states: list[fastbn.ChannelStats]) -> fastbn.ChannelStats:
    """The tree of Dask's reduction."""
    while len(states) > 1:
        states = [union(states[k : k + SPLIT_EVERY]) for k in range(0, len(states), SPLIT_EVERY)]
    return states[0]


def traced(call: Callable[[], object]) -> tuple[object, int]:
    """A result, and the most memory that was taken for it."""
    tracemalloc.start()
    result = call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return result, peak


def report(method: str, count: int, rows: int, channels: int, truth: Truth) -> None:
    """A row of the table."""
    states = [fastbn.channel_stats((OFFSET + r) * UNIT, method=method) for r in partitions(count, rows, channels)]
    start = time.perf_counter()
    stats = merged(states)
    seconds = time.perf_counter() - start
    _, peak = traced(lambda: merged(states))
    means = max(ulps(found, value) for found, (value, _) in zip(stats.mean, truth, strict=True))
    spreads = max(ulps(found, value) for found, (_, value) in zip(stats.var(), truth, strict=True))
    wire = len(pickle.dumps(states[0], protocol=5))
    print(f"| {method} | {seconds:.2f} | {peak / 1e6:.1f} | {wire} | {means:.2f} | {spreads:.2f} |")


def graph(count: int, channels: int) -> None:
    """What Dask makes of so many partitions before it runs any."""
    start = time.perf_counter()
    x = da.zeros((count, channels), chunks=(1, channels), dtype=np.float32)
    (stats,) = dask.optimize(fastbn.dask.channel_stats(x))
    tasks = len(dict(stats.__dask_graph__()))
    levels = math.ceil(math.log(count, SPLIT_EVERY))
    print(f"\nDask's graph: {tasks} tasks, {levels} levels of merges, made in {time.perf_counter() - start:.1f} s.")


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=1000, help="of a partition")
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--quick", action="store_true", help="a few small partitions, to see that it runs")
    options = parser.parse_args(arguments)
    sizes = (40, 10, 3) if options.quick else (options.partitions, options.rows, options.channels)
    print(describe_machine(fastbn.get_num_threads()) + "\n")
    print("{} partitions of {} x {} values\n".format(*sizes))
    print("| method | merge, s | memory of it, MB | bytes of a state | mean, ulp | variance, ulp |")
    print("|---|---:|---:|---:|---:|---:|")
    truth = exact(*sizes)
    for method in ("compensated", "exact"):
        report(method, *sizes, truth)
    graph(sizes[0], sizes[2])


if __name__ == "__main__":
    main()

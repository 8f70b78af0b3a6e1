#!/usr/bin/env python
"""Statistics of a set of files on one to several workers, and of one large array against Dask's own mean and variance.

The files are made first, as many as the size says (8 GB unless told otherwise), and read by the tasks. Every figure is
that of an interpreter of its own: the time of a run after a first one, and the most memory the process held.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import dask
import dask.array as da
import numpy as np

import fastbn
import fastbn.dask
from benchmarks.memory import resident_peak
from side_by_side import describe_machine

CHANNELS = 64
CHUNK = 1 << 26  # bytes of a file
ENGINES = {
    "fastbn.channel_stats": fastbn.dask.channel_stats,
    "fastbn.channel_stats, exact": lambda x: fastbn.dask.channel_stats(x, method="exact"),
    "x.mean, x.var": lambda x: (x.mean(axis=0), x.var(axis=0)),
    "x.mean, x.var in float64": lambda x: (x.mean(axis=0, dtype="f8"), x.var(axis=0, dtype="f8")),
}


def write(folder: Path, size: int, chunk: int) -> None:
    """Files of float32 numbers far from 0, the first of which says how many rows each has."""
    rows = max(2, chunk // (4 * CHANNELS))
    values = np.random.default_rng(0).normal(280.0, 0.5, (rows, CHANNELS)).astype(np.float32)
    for k in range(max(2, size // values.nbytes)):
        np.save(folder / f"{k:06}.npy", values + np.float32(k % 7))


def read(block_id: tuple[int, ...], folder: str) -> np.ndarray:
    """A file."""
    return np.load(Path(folder, f"{block_id[0]:06}.npy"))


def opened(folder: str) -> da.Array:
    """All files as one array, a chunk each."""
    count = len(list(Path(folder).glob("*.npy")))
    rows = len(np.load(Path(folder, "000000.npy"), mmap_mode="r"))
    chunks = ((rows,) * count, (CHANNELS,))
    return da.map_blocks(read, folder=folder, chunks=chunks, dtype=np.float32, meta=np.empty((0, 0), np.float32))


def timed(call: Callable[[], object]) -> float:
    """Seconds of the second call."""
    call()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def on_threads(folder: str, engine: str) -> dict[str, float]:
    """One engine on the threads of this process."""
    lazy = ENGINES[engine](opened(folder))
    seconds = timed(lambda: dask.compute(lazy, scheduler="threads"))
    return {"seconds": seconds, "peak": resident_peak()}


def on_workers(folder: str, workers: str) -> dict[str, float]:
    """Statistics on so many processes of one thread."""
    from distributed import Client, LocalCluster

    lazy = ENGINES["fastbn.channel_stats"](opened(folder))
    with (
        LocalCluster(
            n_workers=int(workers),
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        return {"seconds": timed(lambda: client.compute(lazy, sync=True))}


PARTS = {"threads": on_threads, "workers": on_workers}


def measured(part: str, folder: str, *arguments: str) -> dict[str, float]:
    """The figures of a part in an interpreter of its own."""
    command = [sys.executable, __file__, "--part", part, folder, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: list[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=float, default=8e9, help="of all files together")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="how many processes, one by one")
    parser.add_argument("--folder", type=Path, help="where the files are made; they are removed afterwards")
    parser.add_argument("--quick", action="store_true", help="a few small files, to see that it runs")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.part:
        part, *rest = options.part
        print(json.dumps(PARTS[part](*rest)))
        return
    size, chunk, workers = (1e5, 1 << 14, [1]) if options.quick else (options.bytes, CHUNK, options.workers)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        write(Path(folder), int(size), chunk)
        report(folder, workers)


def report(folder: str, workers: list[int]) -> None:
    """Measure and print."""
    x = opened(folder)
    print(describe_machine(os.cpu_count() or 1) + f", dask {dask.__version__}\n")
    print(f"{x.npartitions} files, {x.nbytes / 1e9:.3g} GB of float32, {CHANNELS} channels\n")
    print("| one process, threads | s | GB/s | peak memory, MB | over fastbn |\n|---|---:|---:|---:|---:|")
    base = 0.0
    for engine in ENGINES:
        found = measured("threads", folder, engine)
        seconds = found["seconds"]
        base = base or seconds
        speed = x.nbytes / seconds / 1e9
        print(f"| {engine} | {seconds:.3f} | {speed:.2f} | {found['peak'] / 1e6:.0f} | {seconds / base:.2f} |")
    print("\n| workers of one thread | s | times as fast as one |\n|---:|---:|---:|")
    base = 0.0
    for count in workers:
        seconds = measured("workers", folder, str(count))["seconds"]
        base = base or seconds
        print(f"| {count} | {seconds:.3f} | {base / seconds:.2f} |")


if __name__ == "__main__":
    main()

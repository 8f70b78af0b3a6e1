"""A cluster of processes of which one is killed in mid-run; run as a script, with a folder to leave marks in.

Prints a line of JSON: what was computed by the cluster, before any of it and on its own: statistics, quantiles, and
normalized chunks, in memory and in a Zarr store.
"""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import zarr
from distributed import Client, LocalCluster

import fastbn
import fastbn.dask

CHUNKS, ROWS, CHANNELS = 24, 1000, 6
DEADLINE = 60.0


def chunk(block_id: tuple[int, ...], marks: str) -> np.ndarray:
    """A chunk that takes its time and leaves a mark."""
    time.sleep(0.02)
    Path(marks, f"{block_id[0]}-{os.getpid()}").touch()
    return np.random.default_rng(block_id).normal(1e6, 1.0, (ROWS, CHANNELS))


def array(marks: Path) -> da.Array:
    marks.mkdir()
    chunks = ((ROWS,) * CHUNKS, (CHANNELS,))
    return da.map_blocks(chunk, marks=str(marks), chunks=chunks, dtype=float, meta=np.empty((0, 0)))


def results(marks: Path, method: str) -> tuple[Any, ...]:
    x = array(marks)
    y, stats = fastbn.zscore(x, method=method, return_stats=True)
    some = y.map_blocks(lambda block: block[:3], chunks=((3,) * CHUNKS, (CHANNELS,)), dtype=float)
    stored = some.to_zarr(str(store_of(marks)), compute=False)
    return stats, some, fastbn.channel_quantiles(x, (0.1, 0.5)), stored


def store_of(marks: Path) -> Path:
    return marks.with_suffix(".zarr")


def contents(computed: Sequence[Any], marks: Path) -> list[Any]:
    """Every bit of what was computed, for JSON."""
    stats, some, quantiles, _ = computed
    stored = zarr.open_array(store_of(marks), mode="r")[...]
    return [stats.to_dict(), some.tobytes().hex(), quantiles.to_dict(), stored.tobytes().hex()]


def kill_one(client: Client, marks: Path) -> int:
    """Kill a worker when the cluster is in the middle of it."""
    end = time.monotonic() + DEADLINE
    while len(list(marks.iterdir())) < CHUNKS // 4:
        assert time.monotonic() < end, "the cluster does not work"
        time.sleep(0.01)
    pid = next(int(name.name.partition("-")[2]) for name in marks.iterdir())
    assert pid in client.run(os.getpid, on_error="ignore").values()
    os.kill(pid, signal.SIGKILL)
    return pid


def main(folder: Path) -> None:
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        threads = client.submit(fastbn.get_num_threads).result(DEADLINE)
        found = {"threads": threads, "alone": [], "undisturbed": [], "killed": []}
        for method in ("compensated", "exact"):
            undisturbed = client.gather(client.compute(results(folder / f"{method}-1", method)))
            futures = client.compute(results(folder / f"{method}-2", method))
            pid = kill_one(client, folder / f"{method}-2")
            killed = client.gather(futures)
            assert pid not in client.run(os.getpid, on_error="ignore").values()
            alone = dask.compute(*results(folder / f"{method}-3", method), scheduler="synchronous")
            for number, (name, computed) in enumerate(
                {"undisturbed": undisturbed, "killed": killed, "alone": alone}.items(), 1
            ):
                found[name].append(contents(computed, folder / f"{method}-{number}"))
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

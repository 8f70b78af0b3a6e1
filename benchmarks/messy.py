#!/usr/bin/env python
"""fastbn beside others on data as it comes: NaN, 8-bit images, 16-bit rasters with nodata, and its own costs.

As `side_by_side.py`, whose way of measuring it takes. Peers that are not installed are left out:
pip install scikit-learn bottleneck numbagg opencv-python-headless albucore
"""

from __future__ import annotations

import argparse
import importlib
import itertools
from collections.abc import Iterator
from types import ModuleType

import numpy as np

import fastbn
from side_by_side import Case, describe_machine, medians, print_ratios, print_table

FULL = {
    "table": (2**20, 32),
    "images": (32, 512, 512, 3),
    "raster": (12, 4096, 4096),
    "any": (16, 64, 112, 112),
    "rounds": 9,
}
QUICK = {"table": (64, 4), "images": (2, 8, 8, 3), "raster": (2, 16, 16), "any": (2, 3, 4, 5), "rounds": 1}


def peer(name: str) -> ModuleType | None:
    """A module, if it is installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def nan_cases(size: dict) -> Iterator[Case]:
    """A table with 1 % NaN, left out: statistics, and the z-score in new memory."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(size["table"], dtype=np.float32)
    x[rng.random(x.shape, np.float32) < 0.01] = np.nan
    peers = {"NumPy nanmean + nanvar": (lambda: (np.nanmean(x, axis=0), np.nanvar(x, axis=0)), 10.0)}
    for other in ("bottleneck", "numbagg"):
        if module := peer(other):
            peers[f"{other} nanmean + nanvar"] = (lambda m=module: (m.nanmean(x, axis=0), m.nanvar(x, axis=0)), 3.0)
    yield Case(
        f"channel_stats, 1 % NaN omitted, float32 {x.shape}", lambda: fastbn.channel_stats(x, nan_policy="omit"), peers
    )
    peers = {"NumPy nanmean, nanstd": (lambda: (x - np.nanmean(x, axis=0)) / np.nanstd(x, axis=0), 10.0)}
    if sklearn := peer("sklearn.preprocessing"):
        peers["StandardScaler().fit_transform"] = (lambda: sklearn.StandardScaler().fit_transform(x), 10.0)
    yield Case(f"zscore, 1 % NaN omitted, float32 {x.shape}", lambda: fastbn.zscore(x, nan_policy="omit"), peers)


def image_cases(size: dict) -> Iterator[Case]:
    """8-bit images, channels last, to float32 z-scores with the statistics of all of them."""
    x = np.random.default_rng(0).integers(0, 256, size["images"], np.uint8)
    channels = x.shape[-1]
    rows = x.reshape(x.shape[0], -1, channels)
    out = np.ones(x.shape, np.float32)
    peers = {}
    if cv2 := peer("cv2"):
        cv2.setNumThreads(fastbn.get_num_threads())

        def with_cv2() -> None:
            mean, std = cv2.meanStdDev(rows)
            factor, shift = (1 / std).ravel(), (-mean / std).ravel()
            for image, result in zip(x, out, strict=True):
                cv2.multiply(image, (*factor, 0), dst=result, dtype=cv2.CV_32F)
                cv2.add(result, (*shift, 0), dst=result)

        peers["cv2.meanStdDev, multiply, add"] = (with_cv2, 1.5)
    if albucore := peer("albucore"):

        def with_albucore() -> None:
            mean, std = (getattr(x, name)(axis=(0, 1, 2), dtype=np.float32) for name in ("mean", "std"))
            for image, result in zip(x, out, strict=True):
                result[...] = albucore.normalize(image, mean, 1 / std)

        peers["NumPy mean, std; albucore.normalize"] = (with_albucore, 5.0)
    yield Case(f"zscore, out=, uint8 {x.shape}", lambda: fastbn.zscore(x, -1, out=out), peers)


def raster_cases(size: dict) -> Iterator[Case]:
    """A 16-bit raster, bands first, whole and with nodata."""
    x = np.random.default_rng(0).integers(0, 10_000, size["raster"], np.uint16)
    x[:, : x.shape[1] // 10] = 0
    out = np.ones(x.shape, np.float32)

    def with_numpy() -> None:
        for band, result in zip(x, out, strict=True):
            np.subtract(band, band.mean(), out=result, dtype=np.float32)
            np.divide(result, band.std(), out=result)

    def with_numpy_masked() -> None:
        for band, result in zip(x, out, strict=True):
            seen = band != 0
            values = band[seen]
            np.subtract(band, values.mean(), out=result, dtype=np.float32)
            np.divide(result, values.std(), out=result)
            result[~seen] = 0

    name = f"uint16 {x.shape}"
    yield Case(f"zscore, out=, {name}", lambda: fastbn.zscore(x, 0, out=out), {"NumPy by band": (with_numpy, 5.0)})
    yield Case(
        f"zscore, out=, nodata=0, {name}",
        lambda: fastbn.zscore(x, 0, nodata=0, out=out),
        {"NumPy by band": (with_numpy_masked, 5.0)},
    )


def print_costs(size: dict) -> None:
    """Print what it costs to leave something out, against leaving out nothing."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(size["table"], dtype=np.float32)
    gaps = x.copy()
    gaps[rng.random(x.shape, np.float32) < 0.01] = np.nan
    rows = np.arange(len(x))[:, np.newaxis] % 4
    calls = {
        "propagate": lambda: fastbn.channel_stats(x),
        "omit, no NaN there": lambda: fastbn.channel_stats(x, nan_policy="omit"),
        "omit, 1 % NaN": lambda: fastbn.channel_stats(gaps, nan_policy="omit"),
        "where, per row": lambda: fastbn.channel_stats(x, where=rows > 0),
        "nodata": lambda: fastbn.channel_stats(x, nodata=0),
        "weights, per row": lambda: fastbn.channel_stats(x, weights=rows),
    }
    base, *others = medians(list(calls.values()), size["rounds"])
    ratios = ["1.00", *(f"{other / base:.2f}" for other in others)]
    rows_of_table = [[name, ratio] for name, ratio in zip(calls, ratios, strict=True)]
    print_table(f"channel_stats, float32 {x.shape}, against nothing left out", ["what", "time"], rows_of_table)


def print_orders(size: dict) -> None:
    """Print the cost of the same four axes in every order in memory, against the cheapest order."""
    base = np.random.default_rng(0).standard_normal(size["any"], dtype=np.float32)
    room = np.ones(base.size, np.float32)
    stats = fastbn.channel_stats(base)
    orders = list(itertools.permutations(range(base.ndim)))
    calls = []
    for order in orders:
        back = np.argsort(order)
        x = np.ascontiguousarray(base.transpose(order)).transpose(back)
        out = room.reshape([base.shape[axis] for axis in order]).transpose(back)
        calls += [
            lambda x=x: fastbn.channel_stats(x),
            lambda x=x, out=out: fastbn.normalize(x, stats, out=out),
            lambda x=x, out=out: fastbn.zscore(x, out=out),
        ]
    found = np.reshape(medians(calls, size["rounds"]), (len(orders), 3))  # all in turn: a machine's speed drifts
    rows = [
        [str(order), *(f"{ratio:.2f}" for ratio in ratios)]
        for order, ratios in zip(orders, found / found.min(axis=0), strict=True)
    ]
    header = ["axes in memory, slowest first; axis 1 is kept", "channel_stats", "normalize, out=", "zscore, out="]
    print_table(f"float32 {base.shape}, time against the cheapest order", header, rows)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="threads of every side that has threads (default: 2)")
    parser.add_argument("--quick", action="store_true", help="tiny arrays, one round: measures nothing")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else FULL
    fastbn.set_num_threads(options.threads)
    print(describe_machine(options.threads))
    print_ratios((nan_cases, image_cases, raster_cases), size)
    print_costs(size)
    print_orders(size)


if __name__ == "__main__":
    main()

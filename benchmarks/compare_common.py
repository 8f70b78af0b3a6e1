"""What the rows of `compare.py` have in common: arrays, peers that are installed, and errors of results."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np

import fastbn

SIZES: dict[str, tuple[tuple[int, ...], int]] = {
    "NCHW": ((32, 64, 112, 112), 1),
    "NCHW, short": ((256, 256, 14, 14), 1),
    "NCHW, large": ((8, 3, 1024, 1024), 1),
    "channels last": ((32, 224, 224, 3), -1),
    "channels last, 64": ((32, 112, 112, 64), -1),
    "channels last, 256": ((64, 28, 28, 256), -1),
    "table": ((2**20, 32), 1),
    "wide table": ((2**14, 2048), 1),
    "narrow table": ((2**24, 3), 1),
    "one channel": ((1, 2**25), 0),
    "many channels": ((64, 30_000), 1),
}
SMALL = {name: (tuple(min(n, 6) for n in shape), axis) for name, (shape, axis) in SIZES.items()}
DTYPES = ("float32", "float64", "float16", "uint8", "uint16")
EPS = 1e-5
SAMPLE = 50_000  # outputs that are checked


def peer(name: str) -> ModuleType | None:
    """A module, if it is installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


torch, sklearn, scipy, cv2, albucore = map(peer, ("torch", "sklearn.preprocessing", "scipy.stats", "cv2", "albucore"))
REDUCERS = {name: module for name in ("bottleneck", "numbagg") if (module := peer(name))}


def set_threads(count: int) -> None:
    """Give the others as many threads."""
    if torch:
        torch.set_num_threads(count)
    if cv2:
        cv2.setNumThreads(count)
    if "numbagg" in REDUCERS:
        importlib.import_module("numba").set_num_threads(count)


@dataclass(frozen=True)
class Row:
    """Calls that give the same, how far their results are off, and the bytes to be read, written and asked for."""

    name: str
    ours: Callable[[], object]
    error: Callable[[object], float]
    read: int
    written: int = 0
    peers: dict[str, Callable[[], object]] = field(default_factory=dict)
    allocated: int = 0


def data(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Numbers like photographs' (integers) or with a mean of a few deviations."""
    rng = np.random.default_rng(0)
    if dtype.startswith("u"):
        return rng.integers(0, 200, shape, dtype)
    return (rng.standard_normal(shape, dtype=np.float32) + np.float32(3)).astype(dtype)


def moments(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance in float64 by two passes, a channel after the other."""
    rows = np.moveaxis(x, axis, 0)
    found = []
    for row in rows:
        values = row.astype(np.float64).reshape(-1)
        found.append((values.mean(), values.var()))
    mean, var = np.transpose(found)
    return mean, var


def of_moments(x: np.ndarray, axis: int) -> Callable[[object], float]:
    """Largest error of a mean in standard deviations and of a variance, relative."""
    mean, var = moments(x, axis)

    def error(result: object) -> float:
        if isinstance(result, fastbn.ChannelStats):
            result = result.mean, result.var()
        got = [np.asarray(part, np.float64).reshape(-1) for part in result]
        return float(max(np.max(np.abs(got[0] - mean) / np.sqrt(var)), np.max(np.abs(got[1] / var - 1))))

    return error


def of_map(
    expected: Callable[[np.ndarray, np.ndarray], np.ndarray], x: np.ndarray, axis: int
) -> Callable[[object], float]:
    """Largest error of some outputs; what is expected is a function of flat places and their channels."""
    places = np.random.default_rng(1).integers(0, x.size, min(x.size, SAMPLE))
    wanted = expected(places, np.unravel_index(places, x.shape)[axis])

    def error(result: object) -> float:
        return float(np.max(np.abs(np.asarray(result).reshape(-1)[places] - wanted)))

    return error


def of_gradient(x: np.ndarray, dy: np.ndarray, axis: int) -> Callable[[object], float]:
    """Largest error of some values of the gradient of x."""
    mean, var = moments(x, axis)
    rows = [
        (a.astype(np.float64).reshape(-1), b.astype(np.float64).reshape(-1))
        for a, b in zip(np.moveaxis(x, axis, 0), np.moveaxis(dy, axis, 0), strict=True)
    ]
    plain = np.array([b.mean() for _, b in rows])
    tilted = np.array([(b * (a - m)).mean() for (a, b), m in zip(rows, mean, strict=True)])
    flat, flat_dy = x.reshape(-1), dy.reshape(-1)

    def expected(k: np.ndarray, c: np.ndarray) -> np.ndarray:
        slope = (flat[k].astype(np.float64) - mean[c]) * tilted[c] / (var[c] + EPS)
        return (flat_dy[k] - plain[c] - slope) / np.sqrt(var[c] + EPS)

    return of_map(expected, x, axis)

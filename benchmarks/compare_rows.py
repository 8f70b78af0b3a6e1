"""The rows of `compare.py`: what is done to which array, by fastbn and by others, and what it should give."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
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


torch, sklearn, scipy, cv2 = map(peer, ("torch", "sklearn.preprocessing", "scipy.stats", "cv2"))
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
    """Calls that give the same, how far their results are off, and the bytes that have to be read and written."""

    name: str
    ours: Callable[[], object]
    error: Callable[[object], float]
    read: int
    written: int = 0
    peers: dict[str, Callable[[], object]] = field(default_factory=dict)


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


def squared(mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance."""
    return mean, std**2


def statistics_rows(sizes: dict) -> Iterator[Row]:
    """Mean, variance and extremes (others: mean and variance alone)."""
    for (name, (shape, axis)), dtype in ((size, dtype) for size in sizes.items() for dtype in DTYPES):
        x = data(shape, dtype)
        axes = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
        peers = {}
        if dtype == "float32":
            peers["NumPy mean, var"] = lambda x=x, axes=axes: (x.mean(axis=axes), x.var(axis=axes))
            if torch:
                t = torch.from_numpy(x)
                peers["torch.var_mean"] = lambda t=t, axes=axes: torch.var_mean(t, dim=axes, correction=0)[::-1]
            for other, module in REDUCERS.items() if len(axes) == 1 else ():
                peers[f"{other} nanmean, nanvar"] = lambda m=module, x=x, a=axes[0]: (
                    m.nanmean(x, axis=a),
                    m.nanvar(x, axis=a, ddof=0),
                )
            if cv2 and shape[-1] <= 4 and axis in (-1, x.ndim - 1):
                flat = x.reshape(1, -1, shape[-1])
                peers["cv2.meanStdDev"] = lambda f=flat: squared(*cv2.meanStdDev(f))
        yield Row(
            f"channel_stats, {name}, {dtype}",
            lambda x=x, axis=axis: fastbn.channel_stats(x, axis),
            of_moments(x, axis),
            x.nbytes,
            peers=peers,
        )


def map_rows(sizes: dict) -> Iterator[Row]:
    """Evaluation with given statistics, min-max and the training forward, outputs given."""
    for (name, (shape, axis)), dtype in ((size, dtype) for size in sizes.items() for dtype in DTYPES):
        x = data(shape, dtype)
        out = np.ones(shape, fastbn.zscore(x[:1], None).dtype)
        stats = fastbn.channel_stats(x, axis)
        mean, var = moments(x, axis)
        low, high = stats.min.astype(float), stats.max.astype(float)
        flat = x.reshape(-1)
        std = np.sqrt(var)
        bytes_ = {"read": x.nbytes, "written": out.nbytes}
        yield Row(
            f"normalize, {name}, {dtype}, out=",
            lambda x=x, stats=stats, axis=axis, out=out: fastbn.normalize(x, stats, axis, out=out),
            of_map(lambda k, c, f=flat, m=mean, s=std: (f[k] - m[c]) / s[c], x, axis),
            **bytes_,
        )
        yield Row(
            f"minmax_scale by given statistics, {name}, {dtype}, out=",
            lambda x=x, stats=stats, axis=axis, out=out: fastbn.minmax_scale(x, axis, stats=stats, out=out),
            of_map(lambda k, c, f=flat, a=low, b=high: (f[k] - a[c]) / (b[c] - a[c]), x, axis),
            **bytes_,
        )
        peers = {}
        if torch and dtype == "float32" and axis == 1:
            t, t_out = torch.from_numpy(x), torch.ones(shape)
            ones, zeros, *kept = (torch.full((shape[1],), float(k == 0)) for k in range(6))
            peers["torch.native_batch_norm(out=)"] = lambda t=t, o=t_out, w=ones, b=zeros, k=kept: (
                torch.native_batch_norm(t, w, b, k[0], k[1], True, 0.1, EPS, out=(o, k[2], k[3]))[0]
            )
        fused = axis == 1 and x.ndim == 4 and x.nbytes // shape[1] <= 1 << 22
        yield Row(
            f"batch_norm, training, {name}, {dtype}, out=",
            lambda x=x, axis=axis, out=out: fastbn.batch_norm(x, channel_axis=axis, out=out),
            of_map(lambda k, c, f=flat, m=mean, v=var: (f[k] - m[c]) / np.sqrt(v[c] + EPS), x, axis),
            x.nbytes if fused else 2 * x.nbytes,
            out.nbytes,
            peers,
        )


def table_rows(sizes: dict) -> Iterator[Row]:
    """Standardization of a table in new memory, as scikit-learn and SciPy do it."""
    shape, _ = sizes["table"]
    x = data(shape, "float32")
    mean, var = moments(x, 1)
    peers = {"NumPy": lambda: (x - x.mean(axis=0)) / x.std(axis=0)}
    if sklearn:
        peers["StandardScaler().fit_transform"] = lambda: sklearn.StandardScaler().fit_transform(x)
    if scipy:
        peers["scipy.stats.zscore"] = lambda: scipy.zscore(x)
    expected = of_map(lambda k, c: (x.reshape(-1)[k] - mean[c]) / np.sqrt(var[c]), x, 1)
    yield Row("zscore, table, float32, new memory", lambda: fastbn.zscore(x), expected, 2 * x.nbytes, x.nbytes, peers)


ROWS = (statistics_rows, map_rows, table_rows)

"""Every function on tiny arrays, once: ``python -m gpu.tiny``, for compute-sanitizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numba import cuda

import fastbn
from gpu.samples import TINY, Put, host_data

DTYPES = ("float16", "float32", "float64", "uint8", "int64")


def calls(put: Put, dtypes: tuple[str, ...]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Functions by name, on images along rows, images along columns, and a table."""
    for layout in TINY:
        for dtype in dtypes:
            yield from _calls(put, f"{layout.name} {dtype}", layout.axis, *host_data(layout, "float32"), dtype)


def _calls(
    put: Put, said: str, axis: int, values: np.ndarray, gradient: np.ndarray, dtype: str
) -> Iterator[tuple[str, Callable[[], Any]]]:
    x, where, weights = put(values.astype(dtype)), put(values > 2), put(np.abs(values))
    channels = values.shape[axis]
    gamma, beta = np.linspace(0.5, 2, channels), np.linspace(-1, 1, channels)
    mean, var = put(np.zeros(channels)), put(np.ones(channels))
    stats = fastbn.channel_stats(x, axis)
    at: dict[str, Any] = {"channel_axis": axis}
    running: dict[str, Any] = {"running_mean": mean, "running_var": var}
    found: dict[str, Callable[[], Any]] = {
        "channel_stats": lambda: fastbn.channel_stats(x, **at).mean,
        "channel_stats, exact": lambda: fastbn.channel_stats(x, method="exact", **at).mean,
        "channel_stats, omit": lambda: fastbn.channel_stats(x, nan_policy="omit", **at).mean,
        "channel_stats, where": lambda: fastbn.channel_stats(x, where=where, **at).mean,
        "channel_stats, weights": lambda: fastbn.channel_stats(x, weights=weights, **at).mean,
        "channel_stats, nodata": lambda: fastbn.channel_stats(x, nodata=2, **at).mean,
        "zscore": lambda: fastbn.zscore(x, **at),
        "zscore, where": lambda: fastbn.zscore(x, where=where, **at),
        "minmax_scale": lambda: fastbn.minmax_scale(x, **at),
        "normalize": lambda: fastbn.normalize(x, stats, gamma=gamma, beta=beta, **at),
        "batch_norm": lambda: fastbn.batch_norm(x, gamma, beta, **running, **at),
        "batch_norm, evaluation": lambda: fastbn.batch_norm(x, gamma, beta, training=False, **running, **at),
    }
    if dtype.startswith("float"):
        y, dy, groups = put(values.astype(dtype)), put(gradient.astype(dtype)), channels
        row = np.ones(values.shape[-1])
        found |= {
            "denormalize": lambda: fastbn.denormalize(y, stats, **at),
            "minmax_unscale": lambda: fastbn.minmax_unscale(y, stats, **at),
            "batch_norm_backward": lambda: fastbn.batch_norm_backward(dy, x, stats, gamma, **at),
            "layer_norm": lambda: fastbn.layer_norm(x, row, row),
            "layer_norm_backward": lambda: fastbn.layer_norm_backward(dy, x, row),
        }
        if values.ndim > 2:
            found |= {
                "instance_norm": lambda: fastbn.instance_norm(x, gamma, beta, **at),
                "instance_norm_backward": lambda: fastbn.instance_norm_backward(dy, x, gamma, **at),
                "group_norm": lambda: fastbn.group_norm(x, groups, gamma, beta, **at),
                "group_norm_backward": lambda: fastbn.group_norm_backward(dy, x, groups, gamma, **at),
            }
    for name, call in found.items():
        yield f"{name} ({said})", call


def main() -> None:
    """Call them all."""
    count = 0
    for _, call in calls(cuda.to_device, DTYPES):
        call()
        count += 1
    cuda.synchronize()
    print(f"{count} calls")


if __name__ == "__main__":
    main()

"""Arrays of any shape, layout and library, and everything of which the bits are compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import fastbn

DTYPES = ("float16", "float32", "float64")
Put = Callable[[np.ndarray], Any]


class Layout(NamedTuple):
    """A shape, and which axis is that of the channels."""

    name: str
    shape: tuple[int, ...]
    axis: int


#: Walked along rows and along columns, whole and cut.
LAYOUTS = (
    Layout("NCHW", (32, 64, 28, 28), 1),
    Layout("NCHW, few channels", (4, 3, 512, 512), 1),
    Layout("channels last", (32, 28, 28, 64), -1),
    Layout("table", (100_000, 17), 1),
    Layout("wide table", (64, 16_384), 1),
)
#: The same kinds for the simulator.
TINY = (
    Layout("NCHW", (3, 2, 5, 7), 1),
    Layout("channels last", (4, 5, 5, 3), -1),
    Layout("table", (80, 3), 1),
)


class Sample(NamedTuple):
    """Data on a device, and how to put more beside them."""

    put: Put
    x: Any
    dy: Any
    axis: int
    gamma: np.ndarray
    beta: np.ndarray


def host_data(layout: Layout, dtype: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Data some deviations away from 0, and a gradient."""
    size = math.prod(layout.shape)
    some = np.random.default_rng(seed).standard_normal((2, min(size, 1 << 22)), dtype=np.float32)
    x, dy = (np.resize(row, layout.shape) for row in some)
    return (x + np.float32(3)).astype(dtype), dy.astype(dtype)


def make(put: Put, layout: Layout, dtype: str) -> Sample:
    """Put data on the device."""
    x, dy = host_data(layout, dtype)
    gamma, beta = np.random.default_rng(1).standard_normal((2, layout.shape[layout.axis]))
    return Sample(put, put(x), put(dy), layout.axis, gamma, beta)


def statistics(sample: Sample) -> list[Any]:
    """Everything that statistics say."""
    stats = fastbn.channel_stats(sample.x, sample.axis)
    return [stats.count, stats.mean, stats.var(), stats.min, stats.max]


def exact_statistics(sample: Sample) -> list[Any]:
    """The same by integers."""
    stats = fastbn.channel_stats(sample.x, sample.axis, method="exact")
    return [stats.count, stats.mean, stats.var(), stats.min, stats.max]


def zscore(sample: Sample) -> list[Any]:
    """Fit and apply."""
    return [fastbn.zscore(sample.x, sample.axis)]


def minmax_scale(sample: Sample) -> list[Any]:
    """Fit extremes and apply."""
    return [fastbn.minmax_scale(sample.x, sample.axis)]


def batch_norm(sample: Sample) -> list[Any]:
    """Training, with running statistics."""
    mean, var = (sample.put(np.full(sample.gamma.size, start, np.float32)) for start in (0, 1))
    y = fastbn.batch_norm(
        sample.x, sample.gamma, sample.beta, running_mean=mean, running_var=var, channel_axis=sample.axis
    )
    return [y, mean, var]


def backward(sample: Sample) -> list[Any]:
    """Gradients."""
    stats = fastbn.channel_stats(sample.x, sample.axis)
    return list(fastbn.batch_norm_backward(sample.dy, sample.x, stats, sample.gamma, channel_axis=sample.axis))


ANSWERS: dict[str, Callable[[Sample], list[Any]]] = {
    "channel_stats": statistics,
    "channel_stats, exact": exact_statistics,
    "zscore": zscore,
    "minmax_scale": minmax_scale,
    "batch_norm": batch_norm,
    "batch_norm_backward": backward,
}


def bits(values: list[Any], get: Callable[[Any], np.ndarray]) -> list[bytes]:
    """What results are made of."""
    return [(value if isinstance(value, np.ndarray) else get(value)).tobytes() for value in values]


def every(layouts: tuple[Layout, ...]) -> Iterator[tuple[str, Layout, str, Callable[[Sample], list[Any]]]]:
    """Each answer about each layout and dtype, by name."""
    for layout in layouts:
        for dtype in DTYPES:
            for name, answer in ANSWERS.items():
                yield f"{name}, {layout.name} {layout.shape} {dtype}", layout, dtype, answer

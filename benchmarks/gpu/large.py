"""More than 2^31 elements, all zeros but the first and the last of each channel: answers are known exactly."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numba import cuda

import fastbn
import oracle
from gpu.checks import Case, SkippedCase, run_cases
from gpu.kernels import fill
from gpu.libraries import Numba, free_memory
from gpu.samples import Layout

MANY = 2**31 + 4099
EPS = 1e-5
SPARE = 1.1  # of what a case needs, for work in between


def layouts(many: int) -> tuple[Layout, ...]:
    """At least so many values along rows, along columns, and in images."""
    side = math.isqrt(many // 6) + 1
    return (
        Layout("one channel", (1, many), 0),
        Layout("two rows", (2, many // 2 + 1), 0),
        Layout("two columns", (many // 2 + 1, 2), 1),
        Layout("images", (2, 3, side, side), 1),
        Layout("images, channels last", (2, side, side, 3), -1),
    )


def planted(layout: Layout, dtype: str, value: float) -> np.ndarray:
    """Zeros; the first and the last of each channel is the value."""
    array = np.zeros(layout.shape, dtype)
    channels = np.moveaxis(array, layout.axis, 0)
    for end in (0, -1):
        channels[(slice(None), *(end,) * (array.ndim - 1))] = value
    return array


def room(layout: Layout, itemsize: int) -> None:
    """Skip what does not fit."""
    wanted = SPARE * itemsize * math.prod(layout.shape)
    if (free := free_memory()) < wanted:
        raise SkippedCase(f"{free / 2**30:.1f} GiB of memory are free, {wanted / 2**30:.1f} are needed")


def expect(what: str, found: Any, exact: Fraction | float) -> None:
    """The correctly rounded number, in every channel."""
    right = oracle.rounded(Fraction(exact))
    assert (np.asarray(found) == right).all(), f"{what} is {found}, exactly {right}"


def statistics(layout: Layout, dtype: str, value: int, method: str) -> None:
    """Of 8-bit integers, by either method."""
    room(layout, 1)
    stats = fastbn.channel_stats(Numba().put(planted(layout, dtype, value)), layout.axis, method=method)
    n = math.prod(layout.shape) // layout.shape[layout.axis]
    mean = Fraction(2 * value, n)
    expect("count", stats.count, n)
    expect("min", stats.min, min(value, 0))
    expect("max", stats.max, max(value, 0))
    expect("mean", stats.mean, mean)
    expect("variance", stats.var(), Fraction(2 * value**2, n) - mean**2)


def scaled(layout: Layout) -> None:
    """0 and 1 from `minmax_scale`, in float16: each is counted once more by its own statistics."""
    room(layout, 1 + 2)
    y = fastbn.minmax_scale(Numba().put(planted(layout, "uint8", 200)), layout.axis, dtype=np.float16)
    stats = fastbn.channel_stats(y, layout.axis)
    n = math.prod(layout.shape) // layout.shape[layout.axis]
    expect("min", stats.min, 0)
    expect("max", stats.max, 1)
    expect("mean", stats.mean, Fraction(2, n))


def differentiated(layout: Layout) -> None:
    """Gradients, of which those at zeros are one number and those at the ends of channels another."""
    room(layout, 1 + 4 + 4)
    library = Numba()
    x, dy = library.put(planted(layout, "uint8", 200)), library.put(planted(layout, "float32", 1.0))
    dx = fill(cuda.device_array(math.prod(layout.shape), np.float32), 77.0)  # no gradient
    stats = fastbn.channel_stats(x, layout.axis)
    out = dx.reshape(layout.shape)
    found = fastbn.batch_norm_backward(dy, x, stats, channel_axis=layout.axis, eps=EPS, out=out)
    n = math.prod(layout.shape) // layout.shape[layout.axis]
    mean = 400 / n
    invstd = 1 / math.sqrt(80_000 / n - mean**2 + EPS)
    dgamma = 2 * (200 - mean) * invstd
    low = invstd * (-2 / n + mean * invstd * dgamma / n)
    high = invstd * (1 - 2 / n - (200 - mean) * invstd * dgamma / n)
    seen = fastbn.channel_stats(out, layout.axis)
    expect("dbeta", library.get(found.dbeta), 2)
    for what, got, right in (
        ("dgamma", library.get(found.dgamma), dgamma),
        ("least dx", seen.min, min(low, high)),
        ("greatest dx", seen.max, max(low, high)),
        ("mean of dx", seen.mean + 1, 1.0),
    ):
        assert np.allclose(got, right, rtol=1e-6, atol=1e-12), f"{what} is {got}, about {right}"


def cases(many: int) -> Iterator[Case]:
    """Each function on each layout."""
    for layout in layouts(many):
        name = f"{layout.name} {layout.shape}"
        calls: dict[str, Callable[..., None]] = {
            f"channel_stats, {name} {dtype}, {method}": lambda *a, d=dtype, v=value, m=method: statistics(*a, d, v, m)
            for dtype, value in (("uint8", 200), ("int8", -100))
            for method in ("compensated", "exact")
        }
        calls |= {f"minmax_scale, {name} uint8 to float16": scaled}
        calls |= {f"batch_norm_backward, {name} uint8, float32": differentiated}
        for said, call in calls.items():
            yield said, lambda call=call, layout=layout: call(layout)


def run(options: argparse.Namespace) -> Iterator[dict]:  # noqa: ARG001
    """Everything that fits into memory."""
    return run_cases(cases(MANY))

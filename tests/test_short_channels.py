"""Channels so short that a tile holds several: each keeps its own answer, whatever stands beside it."""

from functools import cache

import numpy as np
import pytest

import fastbn
import oracle
from contract import assert_exact, assert_statistics

pytestmark = pytest.mark.usefixtures("backend")

# Channels and values of each: blocks that are full and not, rows that fill lanes and do not, the borders of a tile.
SHAPES = [(131, 257), (37, 300), (131, 768), (40, 4096), (23, 8192), (20, 8193), (70, 16384), (3, 500), (300, 331)]
FLOATS = ("float16", "float32", "float64")


@cache
def neighbours(shape, dtype):
    """Normal, offset, constant, huge, tiny, cancelling, NaN and infinite channels in turns."""
    rng = np.random.default_rng(shape[0])
    if dtype not in FLOATS:
        info = np.iinfo(dtype)
        x = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
        x[1::5] = info.max - rng.integers(0, 3, x[1::5].shape).astype(dtype)
    else:
        info = np.finfo(dtype)
        x = rng.standard_normal(shape)
        x[1::9] = 1000 + x[1::9]
        x[2::9] = 0.1
        x[3::9] *= float(info.max) / 16
        x[4::9] *= float(info.smallest_normal)
        x[5::9, : shape[1] // 2] = -x[5::9, -(shape[1] // 2) :]
        x[6::9, shape[1] // 3] = np.nan
        x[7::9, -1] = np.inf
        with np.errstate(over="ignore", under="ignore"):
            x = x.astype(dtype)
    x.flags.writeable = False
    return x


@cache
def exact_moments(shape, dtype):
    return oracle.channel_moments(neighbours(shape, dtype), 0)


def arrangements(x):
    """Rows, rows apart in memory, and two pieces of each row."""
    yield x, 0
    apart = np.zeros((len(x), x.shape[1] + 3), x.dtype)[:, : x.shape[1]]
    apart[...] = x
    yield apart, 0
    if x.shape[1] % 2 == 0:
        yield np.ascontiguousarray(x.reshape(len(x), 2, -1).swapaxes(0, 1)), 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [*FLOATS, "uint8", "int32", "int64", "uint64"])
def test_statistics(shape, dtype):
    for x, axis in arrangements(neighbours(shape, dtype)):
        assert_statistics(fastbn.channel_stats(x, axis), exact_moments(shape, dtype), dtype)
        assert_exact(fastbn.channel_stats(x, axis, method="exact"), exact_moments(shape, dtype), dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_maps(shape, dtype):
    """A map of all channels at once is a map of each by itself, fused with the statistics or not."""
    for x, axis in arrangements(neighbours(shape, dtype)):
        stats = fastbn.channel_stats(x, axis)
        y = fastbn.normalize(x, stats, channel_axis=axis)
        assert y.tobytes() == fastbn.zscore(x, axis).tobytes()
        for channel in range(0, shape[0], 7):
            one = np.take(x, [channel], axis)
            part = fastbn.channel_stats(one, axis)
            found = fastbn.normalize(one, part, channel_axis=axis)
            eps = 4 * np.finfo(y.dtype).eps
            np.testing.assert_allclose(np.take(y, [channel], axis), found, rtol=eps, atol=eps)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients(shape, dtype):
    """Those of a channel by itself, and NaN only where it belongs."""
    rng = np.random.default_rng(1)
    for x, axis in arrangements(neighbours(shape, dtype)):
        dy = rng.standard_normal(x.shape).astype(dtype)
        with np.errstate(all="ignore"):
            _, stats = fastbn.batch_norm(x, channel_axis=axis, return_stats=True)
        found = fastbn.batch_norm_backward(dy, x, stats, channel_axis=axis)
        for channel in range(shape[0]):
            if channel % 9 in (0, 1, 2, 5):
                one, gradient = (np.take(array, [channel], axis) for array in (x, dy))
                _, part = fastbn.batch_norm(one, channel_axis=axis, return_stats=True)
                alone = fastbn.batch_norm_backward(gradient, one, part, channel_axis=axis)
                np.testing.assert_allclose(found.dgamma[channel], alone.dgamma[0], rtol=1e-14, atol=1e-13)
                eps = 4 * np.finfo(dtype).eps * abs(alone.dx).max()
                np.testing.assert_allclose(np.take(found.dx, [channel], axis), alone.dx, rtol=0, atol=eps)
            elif channel % 9 in (6, 7):
                assert np.isnan(np.take(found.dx, channel, axis)).all()

"""Statistics and maps see through the layout of an array: shape, axes, strides, byte order and alignment."""

import itertools
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastbn
import oracle
from contract import assert_statistics
from generators import FLOATS, INTEGERS, TILE
from layouts import LAYOUTS, poison

pytestmark = pytest.mark.usefixtures("backend")


@cache
def filled(shape, dtype, seed=0):
    """Numbers that every dtype holds and that differ from channel to channel."""
    rng = np.random.default_rng(seed)
    x = (rng.integers(0, 2, shape) * rng.integers(1, 120, shape)).astype(dtype)
    x.flags.writeable = False
    return x


@cache
def exact_moments(shape, dtype):
    """The oracle's answer for `filled`: it does not depend on the layout."""
    return oracle.channel_moments(filled(shape, dtype), 0)


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 35), (4, TILE + 9), (130, 12), (6, 40_000), (67, 210)])
def test_one_answer_for_every_layout(layout, dtype, shape):
    """Few channels and many, short and long, in every arrangement."""
    arranged = LAYOUTS[layout](filled(shape, dtype))
    expected = [moments.repeated(arranged.times) for moments in exact_moments(shape, dtype)]
    assert_statistics(fastbn.channel_stats(arranged.x, arranged.axis), expected, dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_maps_see_through_the_layout(layout, dtype):
    """Every layout gives the numbers of the contiguous array, within the error that statistics may differ by."""
    channels = filled((6, 480), dtype)
    plain = np.ascontiguousarray(channels)
    arranged = LAYOUTS[layout](channels)
    for apply in (fastbn.zscore, fastbn.minmax_scale):
        found = apply(arranged.x, arranged.axis)
        expected = apply(plain, 0)
        assert found.shape == arranged.x.shape
        assert found.dtype == expected.dtype
        assert found.dtype.isnative
        for values, right in zip(oracle.channel_arrays(found, arranged.axis), expected, strict=True):
            tolerance = 4 * np.finfo(expected.dtype).eps
            np.testing.assert_allclose(np.sort(values), np.sort(np.tile(right, arranged.times)), rtol=tolerance, atol=0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@given(data=st.data())
def test_any_shape_axis_and_strides(dtype, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=7))
    steps = data.draw(st.tuples(*[st.sampled_from([1, 1, 2, 3, -1, -2]) for _ in shape]))
    order = data.draw(st.permutations(range(len(shape))))
    kept = data.draw(st.none() | st.lists(st.sampled_from(range(len(shape))), unique=True).map(tuple))
    wide = np.full(
        tuple(size * abs(step) for size, step in zip(shape, steps, strict=True)), poison(np.dtype(dtype)), dtype
    )
    window = wide[tuple(slice(None, None, step) for step in steps)]
    window[...] = filled(shape, dtype, seed=len(shape))
    x = window.transpose(order)
    x.flags.writeable = False
    assert_statistics(fastbn.channel_stats(x, kept), oracle.channel_moments(x, kept), dtype)


@given(data=st.data())
def test_any_broadcast(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=6))
    ones = data.draw(st.tuples(*[st.booleans() for _ in shape]))
    small = filled(tuple(1 if one else size for one, size in zip(ones, shape, strict=True)), np.float64)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = np.broadcast_to(small, shape)
    assert_statistics(fastbn.channel_stats(x, axis), oracle.channel_moments(x, axis), np.float64)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8", "int64"])
@pytest.mark.parametrize("offset", range(0, 64, 8))
def test_every_alignment(dtype, offset):
    """The first element at every multiple of its size past a border of 64 bytes."""
    size = np.dtype(dtype).itemsize
    raw = np.zeros(1 << 15, np.uint8)
    start = -raw.ctypes.data % 64 + offset // 8 * size
    x = raw[start : start + 1000 * size].view(dtype)
    x[:] = filled(1000, dtype)
    for view, axis in ((x.reshape(500, 2), 1), (x.reshape(2, 500), 0), (x.reshape(5, 4, 50), 1)):
        assert_statistics(fastbn.channel_stats(view, axis), oracle.channel_moments(view, axis), dtype)


def test_subclasses_and_shared_memory():
    x = filled((30, 4), np.float32)
    assert fastbn.channel_stats(x.view(np.recarray)) == fastbn.channel_stats(x)
    assert fastbn.channel_stats(memoryview(x)) == fastbn.channel_stats(x)


def in_order(array, order):
    """The same array, its axes in another order in memory."""
    return np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
@pytest.mark.parametrize("axis", [0, 1, 3, (1, 2), None])
def test_arrays_that_lie_in_different_orders(order, axis):
    """Input, output and gradient: equal sizes of outer, channel and inner do not make equal walks."""
    rng = np.random.default_rng(1)
    values, slopes = rng.standard_normal((2, 2, 3, 4, 5))
    stats = fastbn.channel_stats(values, axis)
    expected = fastbn.normalize(values, stats, channel_axis=axis)
    gradients = fastbn.batch_norm_backward(slopes, values, stats, channel_axis=axis)
    x = in_order(values, order)
    for other in itertools.permutations(range(4)):
        out = in_order(np.zeros_like(values), other)
        np.testing.assert_allclose(fastbn.normalize(x, stats, channel_axis=axis, out=out), expected, rtol=1e-13)
        np.testing.assert_allclose(fastbn.zscore(x, axis, out=out), expected, rtol=1e-12, atol=1e-13)
        found = fastbn.batch_norm_backward(in_order(slopes, other), x, stats, channel_axis=axis, out=out)
        for value, right in zip(found, gradients, strict=True):
            np.testing.assert_allclose(value, right, rtol=1e-12, atol=1e-13)
        found = fastbn.batch_norm_backward(slopes, values, stats, channel_axis=axis, out=out)
        np.testing.assert_allclose(found.dx, gradients.dx, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_relatives_in_every_order(order):
    rng = np.random.default_rng(2)
    values, slopes = rng.standard_normal((2, 2, 4, 3, 5))
    gamma, along = rng.standard_normal(4), rng.standard_normal((3, 5))
    calls = (
        lambda x, dy: [fastbn.instance_norm(x, gamma), *fastbn.instance_norm_backward(dy, x, gamma)],
        lambda x, dy: [fastbn.group_norm(x, 2, gamma), *fastbn.group_norm_backward(dy, x, 2, gamma)],
        lambda x, dy: [
            fastbn.layer_norm(x, along, axis=(2, 3)),
            *fastbn.layer_norm_backward(dy, x, along, axis=(2, 3)),
        ],
    )
    for call in calls:
        expected = call(values, slopes)
        for x, dy in (
            (in_order(values, order), slopes),
            (values, in_order(slopes, order)),
            (in_order(values, order), in_order(slopes, order)),
        ):
            for value, right in zip(call(x, dy), expected, strict=True):
                np.testing.assert_allclose(value, right, rtol=1e-12, atol=1e-13)

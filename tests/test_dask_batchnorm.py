"""Batch, instance, group and layer normalization of Dask arrays, and their gradients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
from chunked import beside, cases, cuts, values

pytest.importorskip("dask.array")

import dask
import dask.array as da

import fastbn.dask

pytestmark = [pytest.mark.usefixtures("backend", "synchronous"), pytest.mark.host]

DTYPES = ["float32", "float64"]
SHAPE = (7, 6, 5, 4)
SPACINGS = 4  # between two ways of the same rounding, each of which is near the truth


@pytest.fixture
def synchronous():
    with dask.config.set(scheduler="synchronous"):
        yield


def same(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def assert_near(found, expected):
    """Of the same shape and dtype, and as near as rounding allows at the size of the largest."""
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    largest = np.nanmax(np.abs(expected), initial=0)
    assert (np.abs(found - expected) <= SPACINGS * np.spacing(largest)).all() or np.isnan(expected).any()


def assert_gradients(found, expected):
    assert type(found) is fastbn.BatchNormGradients
    for lazy, array in zip(dask.compute(*found), expected, strict=True):
        assert_near(lazy, array)


def pair(shape, dtype, seed, chunks):
    x, dy = values(shape, dtype, seed), np.random.default_rng(seed + 1).normal(size=shape)
    dy = dy.astype(x.dtype if x.dtype.kind == "f" else np.float32)
    return x, dy, da.from_array(x, chunks=chunks), da.from_array(dy, chunks=chunks)


# Batch normalization


@given(cases(smallest=2, least=2), st.booleans(), st.booleans())
def test_batch_norm_is_that_of_the_whole(case, affine, training):
    x, chunks, kept = case
    kept = (0,) if kept is None or len(kept) == x.ndim else kept  # more than one value per channel
    shape = fastbn.channel_stats(x, kept).shape
    vectors = np.random.default_rng(0).normal(size=(2, *shape)) if affine else (None, None)
    options = {"channel_axis": kept, "method": "exact", "return_stats": True, "training": training}
    running, expected = ({"running_mean": np.zeros(shape, np.float32), "running_var": np.ones(shape)} for _ in range(2))
    y, stats = fastbn.batch_norm(da.from_array(x, chunks=chunks), *vectors, **running, **options)
    whole, whole_stats = fastbn.batch_norm(x, *vectors, **expected, **options)
    assert stats == whole_stats  # computed, for the running statistics were updated with them
    assert all(same(running[name], expected[name]) for name in running)
    assert same(y.compute(), whole)


def test_batch_norm_is_lazy_without_running_statistics():
    x, _, lazy, _ = pair(SHAPE, "float32", 0, 3)
    y, stats = fastbn.batch_norm(lazy, method="exact", return_stats=True)
    assert isinstance(stats, fastbn.dask.LazyChannelStats)
    assert same(y.compute(), fastbn.batch_norm(x, method="exact"))


@given(cases(dtypes=["float32", "float64", "int64"], smallest=1), st.booleans(), st.data())
def test_gradients_of_batch_norm(case, training, data):
    x, chunks, kept = case
    x, dy, lazy, _ = pair(x.shape, x.dtype, 1, chunks)
    other = da.from_array(dy, chunks=tuple(data.draw(cuts(n)) for n in x.shape))
    stats = fastbn.channel_stats(x, kept)
    gamma = data.draw(st.sampled_from([None, np.random.default_rng(0).normal(size=stats.shape)]))
    where = data.draw(st.none() | beside(x.shape).map(lambda shape: np.random.default_rng(2).random(shape) < 0.8))
    options = {"channel_axis": kept, "training": training, "where": where}
    given = data.draw(st.sampled_from([stats, fastbn.dask.channel_stats(lazy, kept, method="exact")]))
    expected = fastbn.channel_stats(x, kept, method="exact") if given is not stats else stats
    found = fastbn.batch_norm_backward(other, lazy, given, gamma, **options)
    assert_gradients(found, fastbn.batch_norm_backward(dy, x, expected, gamma, **options))
    assert found.dx.chunks == lazy.chunks


def test_sums_of_gradients_do_not_lose_what_cancels_between_chunks():
    n = 64
    dy = np.full((n, 1), 1e16)
    dy[n // 2 :] *= -1
    dy[0], dy[-1] = 1e16 + 2, -1e16 + 4  # the sum is 6
    x = np.arange(float(n)).reshape(n, 1)
    stats = fastbn.channel_stats(x)
    found = fastbn.batch_norm_backward(da.from_array(dy, chunks=(3, 1)), da.from_array(x, chunks=(5, 1)), stats)
    assert found.dbeta.compute().tolist() == [6.0]


# Statistics of samples


@given(st.data(), st.sampled_from(DTYPES), st.sampled_from([0, 1, -1]), st.booleans())
def test_instance_and_group_norm(data, dtype, axis, affine):
    chunks = tuple(data.draw(cuts(n)) for n in SHAPE)
    x, dy, lazy, lazy_dy = pair(SHAPE, dtype, 0, chunks)
    channels = SHAPE[axis]
    gamma, beta = np.random.default_rng(0).normal(1, 0.1, (2, channels)) if affine else (None, None)
    groups = data.draw(st.sampled_from([n for n in range(1, channels + 1) if channels % n == 0]))
    y = fastbn.group_norm(lazy, groups, gamma, beta, channel_axis=axis)
    assert y.chunks == lazy.chunks
    assert_near(y.compute(), fastbn.group_norm(x, groups, gamma, beta, channel_axis=axis))
    found = fastbn.group_norm_backward(lazy_dy, lazy, groups, gamma, channel_axis=axis)
    assert_gradients(found, fastbn.group_norm_backward(dy, x, groups, gamma, channel_axis=axis))
    y = fastbn.instance_norm(lazy, gamma, beta, channel_axis=axis)
    assert_near(y.compute(), fastbn.instance_norm(x, gamma, beta, channel_axis=axis))
    found = fastbn.instance_norm_backward(lazy_dy, lazy, gamma, channel_axis=axis)
    assert_gradients(found, fastbn.instance_norm_backward(dy, x, gamma, channel_axis=axis))


@given(st.data(), st.sampled_from(DTYPES), st.sampled_from([-1, 0, (1, 3), (1, 2, 3), (0, 1, 2, 3)]), st.booleans())
def test_layer_norm(data, dtype, axis, affine):
    chunks = tuple(data.draw(cuts(n)) for n in SHAPE)
    x, dy, lazy, lazy_dy = pair(SHAPE, dtype, 0, chunks)
    shape = fastbn.channel_stats(x, axis).shape
    gamma, beta = np.random.default_rng(0).normal(1, 0.1, (2, *shape)) if affine else (None, None)
    y = fastbn.layer_norm(lazy, gamma, beta, axis=axis)
    assert y.chunks == lazy.chunks
    assert_near(y.compute(), fastbn.layer_norm(x, gamma, beta, axis=axis))
    found = fastbn.layer_norm_backward(lazy_dy, lazy, gamma, axis=axis)
    assert_gradients(found, fastbn.layer_norm_backward(dy, x, gamma, axis=axis))


@pytest.mark.parametrize("dtype", ["float16", *DTYPES])
def test_whole_samples_have_the_bits_of_the_whole(dtype):
    x, _, lazy, _ = pair(SHAPE, dtype, 0, (3, -1, -1, -1))
    gamma, beta = np.random.default_rng(0).normal(1, 0.1, (2, 6))
    for call in (
        lambda x: fastbn.instance_norm(x, gamma, beta),
        lambda x: fastbn.group_norm(x, 3, gamma, beta),
        lambda x: fastbn.layer_norm(x, gamma, beta, axis=1),
    ):
        assert same(call(lazy).compute(), call(x))


REFUSED = {
    "x of another kind": (lambda x, dy, s: fastbn.batch_norm_backward(dy, x.compute(), s), TypeError, "x: got ndarray"),
    "shape of dy": (lambda x, dy, s: fastbn.batch_norm_backward(dy[1:], x, s), ValueError, r"dy: got shape \(6, 6, 5"),
    "dtype of dy": (
        lambda x, dy, s: fastbn.batch_norm_backward(dy.astype(int), x, s),
        TypeError,
        "dy: got dtype int64",
    ),
    "stats": (lambda x, dy, s: fastbn.batch_norm_backward(dy, x, s.select([0])), ValueError, r"channel shape \(1,\)"),
    "one value": (lambda x, dy, s: fastbn.batch_norm(x[:1, :, :1, :1]), ValueError, "one value per channel"),
    "one value to normalize by": (lambda x, dy, s: fastbn.instance_norm(x[..., :1, :1]), ValueError, "one value"),
    "groups": (lambda x, dy, s: fastbn.group_norm(x, 4), ValueError, "num_groups: got 4 for 6 channels"),
    "several axes": (lambda x, dy, s: fastbn.instance_norm(x, channel_axis=(1, 2)), TypeError, "channel_axis: got"),
    "axis": (lambda x, dy, s: fastbn.layer_norm(x, axis=4), ValueError, "axis: got 4 for an array of shape"),
    "gamma": (lambda x, dy, s: fastbn.layer_norm(x, np.ones(3)), ValueError, r"gamma: got shape \(3,\); wants \(4,\)"),
    "out": (lambda x, dy, s: fastbn.layer_norm_backward(dy, x, out=1), TypeError, "out: got int for a Dask array"),
    "evaluation": (lambda x, dy, s: fastbn.batch_norm(x, training=False), ValueError, "wants running statistics"),
    "running": (
        lambda x, dy, s: fastbn.batch_norm(x, running_mean=np.zeros(3), running_var=np.ones(3)),
        ValueError,
        r"running_mean: got shape \(3,\); wants \(6,\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_arguments_are_refused_at_once(case):
    call, error, message = REFUSED[case]
    x, _, lazy, dy = pair(SHAPE, "float64", 0, 3)
    with pytest.raises(error, match=message):
        call(lazy, dy, fastbn.channel_stats(x))


def test_nothing_is_updated_when_the_batch_is_refused():
    x = np.full((4, 2), np.nan)
    running = {"running_mean": np.zeros(2), "running_var": np.ones(2)}
    with pytest.raises(ValueError, match="has a NaN"):
        fastbn.batch_norm(da.from_array(x, chunks=1), nan_policy="raise", **running)
    rows = da.from_array(x, chunks=1)[da.from_array([True, False, False, False], chunks=1)]
    with pytest.raises(ValueError, match="one value per channel"):
        fastbn.batch_norm(rows, **running)
    assert running["running_mean"].tolist() == [0, 0]
    assert running["running_var"].tolist() == [1, 1]


@pytest.mark.parametrize("shape", [(5, 0), (0, 4), (0, 0), (5, 0, 3), (0, 4, 3)])
def test_gradients_of_no_data_are_those_of_memory(shape):
    x = np.empty(shape)
    lazy = da.from_array(x, chunks=2)
    for gradients in (
        lambda x: fastbn.batch_norm_backward(x, x, fastbn.channel_stats(x)),
        lambda x: fastbn.instance_norm_backward(x, x),
        lambda x: fastbn.group_norm_backward(x, x, 2),
        lambda x: fastbn.layer_norm_backward(x, x, axis=0),
    ):
        for found, expected in zip(dask.compute(*gradients(lazy)), gradients(x), strict=True):
            assert same(found, expected)

"""channel_stats: what goes in and what comes out. (What is refused: test_errors.py.)"""

import inspect
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle
from contract import assert_statistics
from generators import FLOATS, INTEGERS

pytestmark = pytest.mark.usefixtures("backend")

AXES = [0, 1, 2, 3, -1, -4, (1,), (0, 1), (1, 0), (1, 3), (-1, 0), (0, 1, 2), (0, 1, 2, 3), (), None]


def read_only(x):
    x = np.asarray(x)
    x.flags.writeable = False
    return x


def test_signature():
    parameters = inspect.signature(fastbn.channel_stats).parameters
    assert list(parameters) == ["x", "channel_axis", "nan_policy", "where", "weights", "nodata", "method"]
    assert parameters["channel_axis"].default == 1
    assert parameters["nan_policy"].default == "propagate"
    assert parameters["nan_policy"].kind is inspect.Parameter.KEYWORD_ONLY


def test_a_table_by_hand():
    stats = fastbn.channel_stats(read_only([[1.0, 10.0], [2.0, 10.0], [6.0, 10.0]]))
    assert stats.shape == (2,)
    assert stats.count.tolist() == [3, 3]
    assert stats.n_missing.tolist() == [0, 0]
    assert stats.weight.tolist() == [3.0, 3.0]
    assert stats.mean.tolist() == [3.0, 10.0]
    assert stats.min.tolist() == [1.0, 10.0]
    assert stats.max.tolist() == [6.0, 10.0]
    assert stats.var().tolist() == [14 / 3, 0.0]
    assert stats.var(ddof=1).tolist() == [7.0, 0.0]
    assert stats.std(ddof=1).tolist() == [math.sqrt(7), 0.0]
    assert np.isnan(stats.var(3)).all()


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
def test_dtypes_of_the_results(dtype):
    x = read_only(np.ones((4, 3), dtype))
    stats = fastbn.channel_stats(x)
    assert (stats.count.dtype, stats.n_missing.dtype) == (np.int64, np.int64)
    for vector in (stats.weight, stats.mean, stats.var(), stats.std()):
        assert vector.dtype == np.float64
    assert stats.min.dtype == stats.max.dtype == x.dtype


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_every_choice_of_kept_axes(axis, dtype):
    x = read_only(np.random.default_rng(0).integers(0, 200, (4, 3, 5, 6)).astype(dtype))
    stats = fastbn.channel_stats(x, axis)
    shape = oracle.kept_shape(x, axis)
    assert stats.shape == shape
    for vector in (stats.count, stats.n_missing, stats.weight, stats.mean, stats.min, stats.max, stats.var()):
        assert vector.shape == shape
    assert_statistics(stats, oracle.channel_moments(x, axis), dtype)
    by_keyword = fastbn.channel_stats(x=x, channel_axis=axis, nan_policy="propagate")
    assert by_keyword == stats


@pytest.mark.parametrize("rank", [1, 2, 3, 4, 5, 6, 8])
def test_every_rank(rank):
    x = read_only(np.random.default_rng(rank).normal(size=(3, 4, 2, 3, 2, 1, 2, 2)[:rank]))
    for axis in range(rank):
        assert_statistics(fastbn.channel_stats(x, axis), oracle.channel_moments(x, axis), x.dtype)
    assert_statistics(fastbn.channel_stats(x, None), oracle.channel_moments(x, None), x.dtype)


@pytest.mark.parametrize("x", [[[1, 2], [3, 5]], ((1.0, 2.0), (3.0, 5.0))])
def test_anything_like_an_array(x):
    stats = fastbn.channel_stats(x)
    assert stats.mean.tolist() == [2.0, 3.5]
    assert type(stats.mean) is np.ndarray


def test_scalars_are_one_channel_of_one_value():
    for scalar in (2.5, np.float32(2.5), np.array(2.5)):
        stats = fastbn.channel_stats(scalar, None)
        assert stats.shape == ()
        assert (stats.count, stats.mean, stats.var(), stats.min, stats.max) == (1, 2.5, 0, 2.5, 2.5)
        assert math.isnan(stats.var(1))


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@pytest.mark.parametrize(("shape", "axis"), [((0, 3), 1), ((2, 3, 0), 1), ((0, 3, 0), 1), ((3, 0), 0), ((0,), None)])
def test_empty_channels(dtype, shape, axis):
    x = np.zeros(shape, dtype)
    stats = fastbn.channel_stats(x, axis)
    assert stats.shape == oracle.kept_shape(x, axis)
    assert not stats.count.any()
    assert not stats.weight.any()
    for vector in (stats.mean, stats.var(), stats.std(), stats.var(1)):
        assert np.isnan(vector).all()
    assert stats.min.dtype == x.dtype
    if dtype in FLOATS:
        assert np.isnan(stats.min).all()
        assert np.isnan(stats.max).all()


@pytest.mark.parametrize(("shape", "axis"), [((4, 0), 1), ((0, 0), 1), ((2, 0, 3), 1), ((2, 0, 3), (0, 1))])
def test_no_channels(shape, axis):
    stats = fastbn.channel_stats(np.zeros(shape, np.float32), axis)
    assert stats.shape == oracle.kept_shape(np.zeros(shape), axis)
    assert stats.mean.size == stats.var().size == 0


def test_the_result_is_not_tied_to_the_input():
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    before = x.copy()
    stats = fastbn.channel_stats(x)
    np.testing.assert_array_equal(x, before)
    x[:] = 0
    assert stats.mean.tolist() == [2.0, 3.0]
    assert stats.min.tolist() == [1.0, 2.0]


def test_memory_mapped_input(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(60.0).reshape(3, 4, 5))
    x = np.load(path, mmap_mode="r")
    assert fastbn.channel_stats(x) == fastbn.channel_stats(np.array(x))


@pytest.mark.parametrize(
    "view",
    [
        lambda: np.broadcast_to(np.float32(1), (64, 8, 1 << 16)),
        lambda: np.broadcast_to(np.arange(8, dtype=np.uint8), (1 << 22, 8)),
        lambda: np.broadcast_to(np.float64(1), (1 << 10, 2, 1 << 11))[::-2, :, ::-1],
    ],
    ids=["rows", "table", "reversed"],
)
@pytest.mark.host
def test_no_copy_of_full_size(view):
    """32 MiB to 128 MiB are read; at most 8 MiB and a little per channel may be allocated."""
    x = view()
    fastbn.channel_stats(x)  # compiles
    tracemalloc.start()
    try:
        fastbn.channel_stats(x)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


@given(st.integers(-6, 6), st.integers(0, 4))
def test_axes_are_counted_as_in_numpy(axis, rank):
    x = np.ones((2,) * rank)
    if -rank <= axis < rank:
        assert fastbn.channel_stats(x, axis).shape == (2,)
    else:
        with pytest.raises(ValueError, match="channel_axis"):
            fastbn.channel_stats(x, axis)

"""Merging: statistics of parts are those of the whole, in any order, however many parts there are."""

import functools
import itertools
import math
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle
from contract import assert_statistics
from fastbn import ChannelStats
from generators import CASES, LONG, channels

pytestmark = pytest.mark.usefixtures("backend")

MERGED = [(name, dtype) for name, dtype in CASES if dtype in ("float32", "float64", "int64", "uint8")]
VECTORS = ("count", "n_missing", "weight", "mean", "min", "max")


def same_bits(a, b):
    """Whether every vector of two statistics has the same bytes, dtype and shape."""
    spreads = ((a.var(), b.var()), (a.var(1), b.var(1)), (a.std(), b.std()))
    pairs = [(getattr(a, name), getattr(b, name)) for name in VECTORS] + list(spreads)
    return all((x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes()) for x, y in pairs)


def assert_close(a, b):
    """Two ways to the same statistics differ by at most 2 ulp."""
    for x, y in ((a.mean, b.mean), (a.var(), b.var()), (a.std(), b.std())):
        nearest = np.where(np.isfinite(y), np.abs(x - y) <= 2 * np.spacing(np.maximum(abs(x), abs(y))), True)
        assert nearest.all()
        np.testing.assert_array_equal(np.isnan(x), np.isnan(y))
    for name in ("count", "min", "max"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def parts(x, cuts):
    """The statistics of the pieces of a (C, n) array."""
    edges = [0, *sorted(cuts), x.shape[1]]
    return [fastbn.channel_stats(x[:, a:b], 0) for a, b in itertools.pairwise(edges)]


@pytest.mark.parametrize(("name", "dtype"), MERGED)
def test_parts_equal_the_whole(name, dtype):
    x = channels(name, dtype)
    expected = oracle.channel_moments(x, 0)
    pieces = parts(x, [1, 6, 777, x.shape[1] // 2])
    a, b = pieces[0], pieces[-1]
    assert same_bits(a + b, b + a)
    for merged in (
        functools.reduce(operator.add, pieces),
        functools.reduce(operator.add, reversed(pieces)),
        pieces[0].merge(*pieces[1:]),
        sum(pieces),
        (pieces[0] + (pieces[1] + pieces[2])) + (pieces[3] + pieces[4]),
    ):
        assert_statistics(merged, expected, dtype, merged=True)


@given(data=st.data(), values=st.lists(st.floats(-1e150, 1e150), min_size=1, max_size=40))
def test_any_split_equals_the_whole(data, values):
    x = np.array([values])
    pieces = parts(x, data.draw(st.lists(st.integers(0, len(values)), max_size=6)))
    expected = oracle.channel_moments(x, 0)
    for order in (pieces, data.draw(st.permutations(pieces))):
        assert_statistics(order[0].merge(*order[1:]), expected, np.float64, merged=True)
        assert_statistics(sum(order), expected, np.float64, merged=True)


@given(st.lists(st.lists(st.floats(-1e150, 1e150), min_size=1, max_size=9), min_size=3, max_size=3))
def test_addition_commutes_and_associates(lists):
    a, b, c = (fastbn.channel_stats(np.array([values]), 0) for values in lists)
    assert same_bits(a + b, b + a)
    assert a + b == b + a
    left, right = (a + b) + c, a + (b + c)
    moments = oracle.moments([v for values in lists for v in values])
    for merged in (left, right):
        assert_statistics(merged, [moments], np.float64, merged=True)
    if moments.cond <= 10**15:
        assert_close(left, right)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8", "int64", "bool"])
def test_empty_is_the_identity(dtype):
    x = (np.arange(60).reshape(20, 3) % 7).astype(dtype)
    stats = fastbn.channel_stats(x)
    for empty in (ChannelStats.empty((3,)), fastbn.channel_stats(x[:0])):
        for merged in (empty + stats, stats + empty, stats.merge(empty, empty), sum([empty, stats, empty])):
            assert same_bits(merged, stats)
            assert merged == stats
    both = ChannelStats.empty((3,)) + ChannelStats.empty((3,))
    assert both.count.tolist() == [0, 0, 0]
    assert np.isnan(both.mean).all()
    assert both == ChannelStats.empty((3,))
    assert sum([stats]) == stats.merge() == stats


@pytest.mark.parametrize("value", [0.1, 1 / 3, -0.7, 5e-324, float(np.finfo(np.float64).max), 1e-200, 0.0])
@pytest.mark.parametrize("counts", [(1, 1), (3, 7), (1, 4097), (4096, 4095), (1000, 2, 5, 1)])
def test_equal_constants_stay_constant(value, counts):
    pieces = [fastbn.channel_stats(np.full((count, 2), value)) for count in counts]
    for merged in (sum(pieces), sum(pieces[::-1]), pieces[0].merge(*pieces[1:])):
        assert merged.count.tolist() == [sum(counts)] * 2
        assert (merged.mean == value).all()
        assert (merged.var() == 0).all()
        assert (merged.std(1) == 0).all()


def test_channels_may_have_different_counts():
    few = fastbn.channel_stats(np.array([[1.0, 10.0], [3.0, 30.0]]))
    many = few.merge(fastbn.channel_stats(np.array([[5.0, 50.0]])))
    crossed = ChannelStats.from_moments([2, 3], [2.0, 30.0], [1.0, 800 / 3]) + ChannelStats.from_moments(
        [1, 0], [5.0, math.nan], [0.0, math.nan]
    )
    assert crossed.count.tolist() == [3, 3]
    np.testing.assert_allclose(crossed.mean, many.mean, rtol=1e-15)
    np.testing.assert_allclose(crossed.var(), many.var(), rtol=1e-15)


@pytest.mark.parametrize("special", [math.nan, math.inf, -math.inf])
def test_special_values_merge_by_ieee(special):
    clean, dirty = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[special, 5.0]])
    whole = np.concatenate([clean, dirty])
    for merged in (sum(map(fastbn.channel_stats, (clean, dirty))), sum(map(fastbn.channel_stats, (dirty, clean)))):
        assert_statistics(merged, oracle.channel_moments(whole), np.float64, merged=True)
    for other in (-dirty, dirty):
        both = fastbn.channel_stats(other) + fastbn.channel_stats(dirty)
        assert_statistics(both, oracle.channel_moments(np.concatenate([other, dirty])), np.float64, merged=True)


def test_infinities_far_apart_do_not_hide_min_and_max():
    a, b = (fastbn.channel_stats(np.array([[-math.inf], [1.0]])), fastbn.channel_stats(np.array([[2.0], [math.inf]])))
    merged = a + b
    assert (merged.min.item(), merged.max.item()) == (-math.inf, math.inf)
    assert math.isnan(merged.mean.item())


@pytest.mark.host
@pytest.mark.parametrize(("offset", "rows"), [(0.0, 1000), (1e8, 10_000), (1e15, 1000)])
def test_many_merges_do_not_drift(offset, rows):
    """One row after the other, a hundred channels at once; then the same states with one call."""
    x = offset + np.random.default_rng(5).normal(size=(rows, 100))
    states = [fastbn.channel_stats(x[i : i + 1]) for i in range(rows)]
    some = slice(None, None, 20)
    expected = oracle.channel_moments(x[:, some])
    assert_statistics(sum(states).select(some), expected, x.dtype, merged=True)
    assert_statistics(states[0].merge(*states[1:]).select(some), expected, x.dtype, merged=True)


@pytest.mark.host
def test_a_hundred_thousand_states_in_one_call():
    """A thousand different states of one value, a hundred times."""
    values = 1e8 + np.random.default_rng(6).normal(size=1000)
    states = [fastbn.channel_stats(np.array([[value]])) for value in values]
    expected = [oracle.moments(values).repeated(100)]
    assert_statistics(states[0].merge(*states[1:], *states * 99), expected, np.float64, merged=True)


def test_a_tree_of_a_million_states():
    """A million channels of one value, folded in halves."""
    values = np.random.default_rng(7).normal(1e6, 1, 1 << 20)
    stats = fastbn.channel_stats(values[None])
    while stats.shape[0] > 1:
        half = stats.shape[0] // 2
        stats = stats.select(slice(0, half)) + stats.select(slice(half, None))
    assert_statistics(stats, [oracle.moments(values)], np.float64, merged=True)


def test_update_is_merging():
    x = channels("normal", "float32").reshape(3, LONG // 4, 4)
    first = fastbn.channel_stats(x[..., :1], 0)
    assert first.update(x[..., 1:], 0) == first + fastbn.channel_stats(x[..., 1:], 0)
    table = np.arange(12.0).reshape(4, 3)
    assert ChannelStats.empty((3,)).update(table) == fastbn.channel_stats(table)


def test_other_channels_do_not_merge():
    a = fastbn.channel_stats(np.ones((4, 3)))
    for other in (fastbn.channel_stats(np.ones((4, 2))), fastbn.channel_stats(np.ones((4, 1, 3)), (1, 2))):
        with pytest.raises(ValueError, match=r"\(3,\)"):
            a + other
        with pytest.raises(ValueError, match=r"\(3,\)"):
            a.merge(other)
    with pytest.raises(TypeError):
        a + 1.0
    with pytest.raises(TypeError):
        a.merge(np.ones(3))


def of(dtype, *values):
    return fastbn.channel_stats(np.array(values, dtype), None)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([("int64", -(2**63), 2**53 + 1), ("uint64", 0, 2**63 - 1)], "int64"),
        ([("int64", 2**53 + 1), ("uint64", 2**64 - 1, 2**53 + 3)], "uint64"),
        ([("int8", -1), ("uint64", 2**62 + 1), ("uint16", 7)], "int64"),
        ([("int64", 1), ("uint64", 2**63 + 1), ("int64", 5), ("bool", True)], "uint64"),
        ([("int64",), ("uint64", 2**64 - 1)], "uint64"),
    ],
)
def test_integers_stay_exact_and_in_one_dtype_whatever_the_order(values, dtype):
    """NumPy's common dtype of int64 and uint64 is float64, which rounds beyond 2^53."""
    everything = [value for _, *some in values for value in some]
    for order in itertools.permutations([of(*part) for part in values]):
        for merged in (order[0].merge(*order[1:]), sum(order)):
            assert merged.min.dtype == merged.max.dtype == dtype
            assert (int(merged.min), int(merged.max)) == (min(everything), max(everything))


def test_channels_without_values_have_no_say_in_the_dtype():
    few = ChannelStats.from_moments([0, 1], 0, 0, min=np.array([-5, 2]), max=np.array([-5, 2]))
    large = fastbn.channel_stats(np.array([[2**64 - 1, 2**63]], np.uint64))
    assert (few + large).max.tolist() == [2**64 - 1, 2**63]
    assert (few + large).min.tolist() == [2**64 - 1, 2]
    with pytest.raises(ValueError, match=r"from -5 to 18446744073709551615; wants .*int64 or uint64"):
        fastbn.channel_stats(np.array([[-5]])) + large.select([0])


def test_extremes_given_as_integers_stay_exact():
    stats = ChannelStats.from_moments(9, [3.0], [1.0], min=[0], max=[2**64 - 1])
    assert stats.max.dtype == np.uint64
    assert (stats.min.tolist(), stats.max.tolist()) == ([0], [2**64 - 1])
    with pytest.raises(ValueError, match=r"min, max: got integers from -1 to"):
        ChannelStats.from_moments(9, [3.0], [1.0], min=[-1], max=[2**64 - 1])


def test_integers_and_floats_merge_to_the_dtype_of_numpy():
    assert (of("int64", 3) + of("uint64", 4) + of("float32", 5)).max.dtype == np.float64
    assert (of("int8", 3) + of("float32", 5)).max.dtype == np.float32
    assert (of("int32", 3) + of("uint32", 5)).max.dtype == np.int64


@given(st.data())
def test_channels_side_by_side_are_those_of_one_array(data):
    """A bit-for-bit inverse of `select`, by either method, with names and what is missing."""
    widths = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    method = data.draw(st.sampled_from(["compensated", "exact"]))
    dtype = data.draw(st.sampled_from(["float32", "float64", "int64", "uint8"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    scale = 2.0 ** rng.integers(-9, 7 if dtype == "uint8" else 40, sum(widths))
    x = (rng.uniform(0, 2, (7, sum(widths))) * scale).astype(dtype)
    where = rng.random(x.shape) < data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    whole = fastbn.channel_stats(x, where=where, method=method).with_names([f"c{i}" for i in range(x.shape[1])])
    ends = np.cumsum(widths)
    parts = [whole.select(slice(end - width, end)) for width, end in zip(widths, ends, strict=True)]
    assert fastbn.ChannelStats.concatenate(parts) == whole


def test_channels_side_by_side_take_what_fits():
    one, two = fastbn.channel_stats([1, 2], None), fastbn.channel_stats([[0.5]])
    both = fastbn.ChannelStats.concatenate([one, two, fastbn.ChannelStats.empty(0)])
    assert both.count.tolist() == [2, 1]
    assert both.max.tolist() == [2.0, 0.5]
    assert both.names is None
    mixed = fastbn.ChannelStats.concatenate([fastbn.channel_stats([[1.0]], method="exact"), two])
    assert mixed.method == "compensated"
    with pytest.raises(ValueError, match=r"parts: got statistics of channel shapes \[\]"):
        fastbn.ChannelStats.concatenate([])
    with pytest.raises(ValueError, match=r"shapes \[\(1, 1\)\]"):
        fastbn.ChannelStats.concatenate([fastbn.channel_stats([[1.0]], (0, 1))])
    with pytest.raises(TypeError, match="parts: got int"):
        fastbn.ChannelStats.concatenate([1])
    with pytest.raises(ValueError, match="wants different names"):
        fastbn.ChannelStats.concatenate([two.with_names(["a"]), two.with_names(["a"])])

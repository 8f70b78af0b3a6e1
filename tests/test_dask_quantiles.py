"""Quantiles of Dask arrays of dtypes without histograms: found digit by digit, the bits are those of memory."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
from chunked import beside, cuts

pytest.importorskip("dask.array")

import dask
import dask.array as da

import fastbn.dask
from fastbn._radix import keys_of, numbers_of

pytestmark = [pytest.mark.usefixtures("backend", "synchronous"), pytest.mark.host]

FLOATS = ["float16", "float32", "float64"]
INTEGERS = ["int32", "uint32", "int64", "uint64"]
NAN, INF = float("nan"), float("inf")


@pytest.fixture
def synchronous():
    with dask.config.set(scheduler="synchronous"):
        yield


def hard(dtype):
    """Numbers that are hard to order, and those around them."""
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        ends = [low, low + 1, high - 1, high, 0, 1, 65535, 65536, 65537]
        return np.array([*ends, *([2**53 + 1, 2**53 + 2] if high > 2**53 else [])], dtype)
    info = np.finfo(dtype)
    some = [0.0, info.smallest_subnormal, 3 * info.smallest_subnormal, info.tiny, 1.0, 1 + info.eps, info.max, INF]
    positive = np.array(some, dtype)
    return np.concatenate([positive, -positive])


@st.composite
def arrays(draw, nans=(False, True)):
    """Arrays of few or many different values, the hard ones among them, and their chunks."""
    dtype = np.dtype(draw(st.sampled_from(FLOATS + INTEGERS)))
    shape = tuple(draw(st.lists(st.integers(0, 6), min_size=1, max_size=3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pool = hard(dtype)
    if draw(st.booleans()):
        bits = rng.integers(0, 2 ** (8 * dtype.itemsize) - 1, 50, f"u{dtype.itemsize}", endpoint=True).view(dtype)
        pool = np.concatenate([pool, bits[~np.isnan(bits)]])
    if dtype.kind == "f" and draw(st.sampled_from(nans)):
        pool = np.concatenate([pool, [dtype.type(NAN), -dtype.type(NAN)]])
    x = rng.choice(pool[rng.permutation(pool.size)[: draw(st.integers(1, pool.size))]], shape)
    kept = draw(st.none() | st.lists(st.integers(0, x.ndim - 1), unique=True).map(tuple))
    return x, tuple(draw(cuts(n)) for n in shape), kept


QUANTILES = st.floats(0, 1) | st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.98, 1.0]) | st.floats(0, 1), min_size=1)


def said(function, *args, **kwargs):
    """A result or what the error says."""
    try:
        return function(*args, **kwargs)
    except ValueError as error:
        return str(error)


@given(arrays(), QUANTILES, st.sampled_from(["propagate", "omit", "raise"]))
def test_quantiles_have_the_bits_of_memory(case, q, nan_policy):
    x, chunks, kept = case
    found = said(fastbn.channel_quantiles, da.from_array(x, chunks=chunks), q, kept, nan_policy=nan_policy)
    assert found == said(fastbn.channel_quantiles, x, q, kept, nan_policy=nan_policy)


@given(st.data(), arrays(), st.sampled_from(["propagate", "omit", "raise"]))
def test_missing_values_are_missing(data, case, nan_policy):
    x, chunks, kept = case
    where = np.random.default_rng(data.draw(st.integers(0, 99))).random(data.draw(beside(x.shape))) < 0.7
    where &= data.draw(st.booleans())
    nodata = data.draw(st.none() | st.sampled_from(list(hard(x.dtype))) | st.just(NAN))
    mask = where
    if data.draw(st.booleans()):
        mask = da.from_array(where, chunks=tuple(data.draw(cuts(n)) for n in where.shape))
    options = {"nan_policy": nan_policy, "nodata": nodata}
    found = said(fastbn.channel_quantiles, da.from_array(x, chunks=chunks), [0.3, 0.5], kept, where=mask, **options)
    assert found == said(fastbn.channel_quantiles, x, [0.3, 0.5], kept, where=where, **options)


@given(st.data(), st.sampled_from(FLOATS + INTEGERS))
def test_keys_are_in_the_order_of_numbers(data, dtype):
    dtype = np.dtype(dtype)
    bits = data.draw(st.lists(st.integers(0, 2 ** (8 * dtype.itemsize) - 1), min_size=1))
    x = np.concatenate([np.array(bits, f"u{dtype.itemsize}").view(dtype), hard(dtype)])
    numbers = x[~np.isnan(x)]
    keys = keys_of(numbers, dtype)
    for compare in (np.less, np.equal):
        assert (compare.outer(keys, keys) == compare.outer(numbers, numbers)).all()
    assert (numbers_of(keys.astype(np.uint64), dtype) == numbers).all()
    assert (keys_of(x, dtype)[np.isnan(x)] == np.iinfo(keys.dtype).max).all()
    assert dtype.kind != "f" or (keys < np.iinfo(keys.dtype).max).all()


def table(dtype="float32", shape=(40, 5, 6)):
    """Many numbers with the same first digits."""
    return (1000 * np.random.default_rng(0).normal(280.0, 0.5, shape)).astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS[1:])
def test_quantiles_are_numpys(dtype):
    x, q = table(dtype), np.linspace(0, 1, 41)
    found = fastbn.channel_quantiles(da.from_array(x, chunks=(7, 2, 4)), q)
    expected = np.quantile(x.astype(np.float64), q, axis=(0, 2))
    assert found.values.tobytes() == expected.tobytes()


@pytest.mark.parametrize("kept", [1, (0, 2), None])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_chunks_of_unknown_sizes(axis, kept):
    x = table()
    longer = np.concatenate([x, x], axis=axis)
    rows = da.from_array(np.arange(longer.shape[axis]) < x.shape[axis], chunks=3)
    lazy = da.compress(rows, da.from_array(longer, chunks=3), axis=axis)
    assert math.isnan(lazy.shape[axis])
    assert fastbn.channel_quantiles(lazy, [0.1, 0.5], kept) == fastbn.channel_quantiles(x, [0.1, 0.5], kept)
    y = fastbn.robust_scale(lazy, kept)
    assert y.compute().tobytes() == fastbn.robust_scale(x, kept).tobytes()


def test_nodata_of_every_channel_and_masked_chunks():
    x = table("int64")
    nodata = x[0, :, 0]
    lazy = da.from_array(x, chunks=(7, 2, 4))
    assert fastbn.channel_quantiles(lazy, 0.5, nodata=nodata) == fastbn.channel_quantiles(x, 0.5, nodata=nodata)
    mask = np.random.default_rng(1).random(x.shape) < 0.3
    masked = da.ma.masked_array(lazy, da.from_array(mask, chunks=lazy.chunks))
    whole = np.ma.MaskedArray(x, mask)
    assert fastbn.channel_quantiles(masked, [0.5, 0.9]) == fastbn.channel_quantiles(whole, [0.5, 0.9])


@pytest.mark.parametrize("dtype", [">f4", ">i8", "<f8"])
def test_any_byte_order_and_no_axis_at_all(dtype):
    x = table(dtype)
    assert fastbn.channel_quantiles(da.from_array(x, chunks=9), 0.3) == fastbn.channel_quantiles(x, 0.3)
    one = np.asarray(x[0, 0, 0], dtype)
    assert fastbn.channel_quantiles(da.from_array(one), 0.3, None) == fastbn.channel_quantiles(one, 0.3, None)


def test_chunks_that_are_no_such_numbers_are_refused():
    """Digits of another width would be wrong ones."""
    x = da.from_array(table("float64"), chunks=9).map_blocks(np.asarray, dtype="float32", meta=np.empty((0,) * 3, "f4"))
    with pytest.raises(TypeError, match=r"float64.*float32"):
        fastbn.channel_quantiles(x, 0.5)


@given(arrays(nans=(False,)), st.sampled_from(["zero", "nan"]))
def test_robust_scaling_has_the_bits_of_memory(case, on_constant):
    x, chunks, kept = case
    lazy = da.from_array(x, chunks=chunks)
    with np.errstate(all="ignore"):
        y, stats = fastbn.robust_scale(lazy, kept, on_constant=on_constant, return_stats=True)
        whole, expected = fastbn.robust_scale(x, kept, on_constant=on_constant, return_stats=True)
        assert y.chunks == lazy.chunks
        assert stats.compute() == expected
        assert y.compute().tobytes() == whole.tobytes()
        ends = fastbn.dask.channel_quantiles(lazy, [0.02, 0.98], kept)
        stretched = fastbn.minmax_scale(lazy, kept, stats=ends, clip=True).compute()
        assert stretched.tobytes() == fastbn.minmax_scale(x, kept, stats=ends.compute(), clip=True).tobytes()


@pytest.mark.parametrize("chunks", [(9, 3, 4), (9, 1, 4), (9, 1, 2)])
def test_what_only_the_data_tell_is_refused_when_computed(chunks):
    x = table("float64")
    x[30, 3, 5], x[:, 4] = NAN, 7.0
    lazy = da.from_array(x, chunks=chunks)
    for late in (
        fastbn.dask.channel_quantiles(lazy, 0.5, nan_policy="raise"),
        fastbn.robust_scale(lazy, nan_policy="raise"),
    ):
        with pytest.raises(ValueError, match=r"x: channel \(3,\) has a NaN"):
            late.compute()
    with pytest.raises(ValueError, match=r"x: channel \(4,\) is constant"):
        fastbn.robust_scale(lazy, on_constant="raise").compute()


def test_lazy_quantiles_are_a_collection_of_dask():
    x = table()
    lazy = fastbn.dask.channel_quantiles(da.from_array(x, chunks=(7, 2, 4)), [0.1, 0.5])
    whole = fastbn.channel_quantiles(x, [0.1, 0.5])
    assert (lazy.q, lazy.shape, lazy.dtype) == (whole.q, whole.shape, whole.dtype)
    assert lazy.persist().compute() == whole
    assert dask.optimize(lazy)[0].compute(scheduler="threads") == whole
    assert lazy.compute(scheduler="processes", num_workers=2) == whole

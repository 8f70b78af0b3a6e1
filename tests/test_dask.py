"""Dask arrays: statistics in a tree of chunks, and maps chunk by chunk."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle
from chunked import DTYPES, FLOATS, beside, cases, cuts, values
from contract import assert_statistics
from fastbn import ChannelStats

pytest.importorskip("dask.array")

import dask
import dask.array as da

import fastbn.dask

pytestmark = [pytest.mark.usefixtures("backend", "synchronous"), pytest.mark.host]

SHAPE, CHUNKS = (23, 5, 8), ((7, 0, 7, 7, 2), (2, 3), (3, 3, 2))
NAN = float("nan")


@pytest.fixture
def synchronous():
    with dask.config.set(scheduler="synchronous"):
        yield


def numbers(dtype="float64", seed=0):
    return values(SHAPE, dtype, seed)


def chunked(x, chunks=CHUNKS):
    return da.from_array(x, chunks=chunks)


def of_unknown_sizes(x, axis=0):
    """A Dask array of the same values, whose chunks along an axis have sizes that Dask does not know."""
    longer = np.concatenate([x, x], axis=axis)
    rows = np.arange(longer.shape[axis]) < x.shape[axis]
    found = da.compress(da.from_array(rows, chunks=3), da.from_array(longer, chunks=3), axis=axis)
    assert math.isnan(found.shape[axis])
    return found


def same(a, b):
    """Whether two arrays have the same bits."""
    a, b = np.asarray(a), np.asarray(b)
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


# Statistics


@given(cases())
def test_exact_statistics_are_those_of_the_whole(case):
    x, chunks, kept = case
    found = fastbn.channel_stats(da.from_array(x, chunks=chunks), kept, method="exact")
    assert found == fastbn.channel_stats(x, kept, method="exact")
    with np.errstate(all="ignore"):
        assert same(found.mean, oracle.mean(x, kept))
        assert same(found.var(), oracle.var(x, kept))


@given(cases(smallest=1))
def test_statistics_are_as_right_as_the_contract_says(case):
    x, chunks, kept = case
    found = fastbn.channel_stats(da.from_array(x, chunks=chunks), kept)
    assert type(found) is ChannelStats
    assert found.shape == oracle.kept_shape(x, kept)
    assert_statistics(found, oracle.channel_moments(x, kept), x.dtype, merged=True)


@given(st.data(), st.sampled_from(FLOATS))
def test_missing_values_are_missing_whatever_the_chunks(data, dtype):
    x = numbers(dtype)
    x[np.random.default_rng(data.draw(st.integers(0, 99))).random(SHAPE) < 0.1] = np.nan
    where = np.random.default_rng(1).random(data.draw(beside(SHAPE))) < 0.8
    options = {
        "nan_policy": data.draw(st.sampled_from(["propagate", "omit"])),
        "where": data.draw(st.sampled_from([None, where, np.broadcast_to(where, SHAPE)])),
        "nodata": data.draw(st.sampled_from([None, 280.0, NAN, x[0, :, 0]])),
    }
    lazy = {name: value for name, value in options.items() if name != "where"}
    mask = options["where"]
    if mask is not None and data.draw(st.booleans()):
        mask = da.from_array(mask, chunks=tuple(data.draw(cuts(n)) for n in mask.shape))
    found = fastbn.channel_stats(chunked(x), method="exact", where=mask, **lazy)
    assert found == fastbn.channel_stats(x, method="exact", **options)


@given(st.data())
def test_weights_count_as_in_memory(data):
    x, shape = numbers(), data.draw(beside(SHAPE))
    weights = np.random.default_rng(0).integers(0, 4, shape)
    given = weights if data.draw(st.booleans()) else da.from_array(weights, chunks=2)
    found, whole = fastbn.channel_stats(chunked(x), weights=given), fastbn.channel_stats(x, weights=weights)
    for name in ("count", "n_missing", "weight", "min", "max"):
        assert same(getattr(found, name), getattr(whole, name))
    every = np.broadcast_to(weights, SHAPE)
    repeated = [np.repeat(v, n) for v, n in zip(oracle.channel_arrays(x), oracle.channel_arrays(every), strict=True)]
    expected = [oracle.moments(channel) for channel in repeated]
    for k, moments in enumerate(expected):
        assert oracle.ulps(found.mean[k], moments.mean) <= 1
        assert oracle.ulps(found.var()[k], moments.var()) <= 2


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("kept", [1, (0, 2), None])
def test_chunks_of_unknown_sizes(axis, kept):
    x = numbers("float32")
    lazy = of_unknown_sizes(x, axis)
    stats = fastbn.channel_stats(x, kept, method="exact")
    assert fastbn.channel_stats(lazy, kept, method="exact") == stats
    y = fastbn.zscore(lazy, kept, method="exact")
    assert same(y.compute(), fastbn.zscore(x, kept, method="exact"))
    where = of_unknown_sizes(x > 280, axis)
    found = fastbn.channel_stats(lazy, kept, method="exact", where=where)
    assert found == fastbn.channel_stats(x, kept, method="exact", where=x > 280)


def test_what_has_no_known_place_beside_unknown_sizes_is_refused():
    x = numbers()
    rows, channels = of_unknown_sizes(x, 0), of_unknown_sizes(x, 1)
    with pytest.raises(ValueError, match=r"where: .*compute_chunk_sizes"):
        fastbn.channel_stats(rows, where=np.ones((23, 1, 1), np.bool_))
    with pytest.raises(ValueError, match=r"where: .*compute_chunk_sizes"):
        fastbn.channel_stats(rows, where=da.ones((23, 1, 1), np.bool_))
    with pytest.raises(ValueError, match=r"gamma: .*compute_chunk_sizes"):
        fastbn.normalize(channels, fastbn.dask.channel_stats(channels), gamma=np.ones(5))
    with pytest.raises(ValueError, match=r"stats: .*unknown number of channels.*compute_chunk_sizes"):
        fastbn.zscore(channels, stats=ChannelStats.empty(5))


def test_channels_of_unknown_number_are_refused_where_their_number_matters():
    lazy = of_unknown_sizes(numbers(), 1)
    given = fastbn.dask.channel_stats(da.ones((4, 5), chunks=5))
    for call, message in (
        (lambda: fastbn.zscore(lazy, stats=given), "stats: got statistics in other chunks than x"),
        (lambda: fastbn.group_norm(lazy, 5), "x: got an unknown number of channels"),
        (lambda: fastbn.instance_norm_backward(lazy, lazy), "x: got an unknown number of channels"),
    ):
        with pytest.raises(ValueError, match=rf"{message}.*compute_chunk_sizes"):
            call()


def test_masks_of_no_values_may_have_other_chunks():
    x = da.ones((0, 0), chunks=((0, 0, 0), (0, 0)))
    where = da.ones((0, 0), dtype=np.bool_, chunks=((0, 0), (0,)))
    assert fastbn.channel_stats(x, None, where=where).count == 0


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype != "float16"])  # no fill value of NumPy's fits
def test_masked_chunks(dtype):
    x = np.ma.MaskedArray(numbers(dtype), np.random.default_rng(0).random(SHAPE) < 0.2)
    lazy = da.ma.masked_array(chunked(x.data), chunked(x.mask))
    assert fastbn.channel_stats(lazy, method="exact") == fastbn.channel_stats(x, method="exact")
    y, whole = fastbn.zscore(lazy, method="exact").compute(), fastbn.zscore(x, method="exact")
    assert type(y) is np.ma.MaskedArray
    assert same(y.data, whole.data)
    assert same(y.mask, whole.mask)


# The lazy value


def test_lazy_statistics_say_what_the_computed_ones_say():
    x = numbers("float32")
    lazy = fastbn.dask.channel_stats(chunked(x), (0, 2), weights=np.arange(5)[:, np.newaxis])
    stats = lazy.compute()
    assert (lazy.shape, lazy.dtype) == (stats.shape, np.float32)
    for name in ("count", "n_missing", "weight", "mean", "min", "max"):
        vector = getattr(lazy, name)
        assert isinstance(vector, da.Array)
        assert vector.chunks == (CHUNKS[0], CHUNKS[2])
        assert same(vector.compute(), getattr(stats, name))
        assert vector.dtype == getattr(stats, name).dtype
    for ddof in (0, 1):
        assert same(lazy.var(ddof).compute(), stats.var(ddof))
        assert same(lazy.std(ddof).compute(), stats.std(ddof))
    assert repr(lazy) == "<LazyChannelStats: shape (23, 8), float32 data>"
    with pytest.raises(ValueError, match="ddof"):
        lazy.var(-1)


def test_lazy_statistics_are_a_collection_of_dask():
    x = chunked(numbers())
    lazy = fastbn.dask.channel_stats(x)
    stats = lazy.compute()
    assert dask.is_dask_collection(lazy)
    assert dask.compute({"stats": lazy, "sum": x.sum()})[0]["stats"] == stats
    assert lazy.persist().compute() == stats
    assert dask.optimize(lazy)[0].compute() == stats
    assert dask.delayed(lambda s: s.mean)(lazy).compute().tolist() == stats.mean.tolist()
    assert pickle.loads(pickle.dumps(lazy)).compute() == stats
    again = fastbn.dask.channel_stats(x)
    assert dask.base.tokenize(lazy) == dask.base.tokenize(again) != dask.base.tokenize(fastbn.dask.channel_stats(x, 2))


def test_statistics_and_result_together_read_twice():
    x, reads = numbers(), []

    def read(block, block_id):
        reads.append(block_id)
        return block

    lazy = chunked(x).map_blocks(read, dtype=x.dtype, meta=np.empty((0, 0, 0)))
    y, stats = fastbn.zscore(lazy, return_stats=True)
    dask.compute(y, stats, stats.mean)
    assert sorted(reads) == sorted(list(np.ndindex(*lazy.numblocks)) * 2)


# Maps


@given(cases(), st.sampled_from(["zero", "nan"]), st.sampled_from([None, "float32", "float64"]))
def test_exact_maps_have_the_bits_of_the_whole(case, on_constant, dtype):
    x, chunks, kept = case
    lazy = da.from_array(x, chunks=chunks)
    options = {"method": "exact", "on_constant": on_constant, "dtype": dtype}
    for function in (fastbn.zscore, fastbn.minmax_scale):
        y = function(lazy, kept, **options)
        whole = function(x, kept, **options)
        assert y.chunks == lazy.chunks
        assert y.dtype == whole.dtype
        assert same(y.compute(), whole)


@given(cases(), st.booleans())
def test_given_statistics_are_applied_as_in_memory(case, lazily):
    x, chunks, kept = case
    lazy, stats = da.from_array(x, chunks=chunks), fastbn.channel_stats(x, kept)
    vector = np.random.default_rng(0).normal(1.0, 0.1, stats.shape)
    stats_of = da.from_array(x, chunks=-1) if lazily else None  # channels in other chunks
    given = fastbn.dask.channel_stats(stats_of, kept) if lazily else stats
    stats = given.compute() if lazily else stats
    for call in (
        lambda x, s: fastbn.zscore(x, kept, stats=s, eps=1e-3),
        lambda x, s: fastbn.minmax_scale(x, kept, stats=s, clip=True, feature_range=(-1, 1)),
        lambda x, s: fastbn.normalize(x, s, kept, gamma=vector, beta=vector, ddof=1),
        lambda x, s: fastbn.denormalize(x, s, kept, gamma=vector, beta=vector),
        lambda x, s: fastbn.minmax_unscale(x, s, kept),
    ):
        y = call(lazy, given)
        assert y.chunks == lazy.chunks
        with np.errstate(all="ignore"):
            assert same(y.compute(), call(x, stats))
            assert same(y.compute(scheduler="threads"), y.compute())


def test_vectors_may_be_lazy():
    x, vector = numbers(), np.linspace(1, 2, 5)
    stats = fastbn.channel_stats(x)
    found = fastbn.normalize(chunked(x), stats, gamma=da.from_array(vector, chunks=1), beta=da.from_array(vector))
    assert same(found.compute(), fastbn.normalize(x, stats, gamma=vector, beta=vector))


def test_results_of_inverse_maps_may_be_integers():
    x = numbers("uint8")
    y, stats = fastbn.zscore(chunked(x), return_stats=True)
    assert same(fastbn.denormalize(y, stats, dtype="uint8").compute(), x)
    y, stats = fastbn.minmax_scale(chunked(x), return_stats=True)
    assert same(fastbn.minmax_unscale(y, stats, dtype=np.uint8).compute(), x)


def test_missing_values_in_maps():
    x = numbers("float32")
    x[3, 2, 1], x[20, 1, 5] = NAN, -9999
    where = np.random.default_rng(0).random((23, 1, 8)) < 0.7
    options = {"nan_policy": "omit", "nodata": -9999, "where": where, "method": "exact"}
    for function in (fastbn.zscore, fastbn.minmax_scale):
        assert same(function(chunked(x), **options).compute(), function(x, **options))
    weights = np.arange(8.0)
    found = fastbn.zscore(chunked(x), nan_policy="omit", nodata=-9999, weights=weights)
    whole = fastbn.zscore(x, nan_policy="omit", nodata=-9999, weights=weights)
    np.testing.assert_allclose(found.compute(), whole, rtol=1e-6)


def test_integers_beyond_2_53_can_be_nodata():
    x = np.array([[2**63 - 1, 5], [2**63 - 2, 7], [1, 9]])
    found = fastbn.channel_stats(da.from_array(x, chunks=1), nodata=[2**63 - 1, 9])
    assert found.count.tolist() == [2, 2]
    assert found == fastbn.channel_stats(x, nodata=[2**63 - 1, 9])


# Quantiles


@given(cases(dtypes=["bool", "uint8", "int16"]))
def test_quantiles_are_those_of_the_whole(case):
    x, chunks, kept = case
    lazy = da.from_array(x, chunks=chunks)
    q = [0.0, 0.1, 0.5, 1.0]
    whole = fastbn.channel_quantiles(x, q, kept)
    assert fastbn.channel_quantiles(lazy, q, kept) == whole
    assert fastbn.dask.channel_quantiles(lazy, q, kept).persist().compute() == whole
    y, stats = fastbn.robust_scale(lazy, kept, return_stats=True)
    expected, expected_stats = fastbn.robust_scale(x, kept, return_stats=True)
    assert stats.compute() == expected_stats
    assert same(y.compute(), expected)
    stretched = fastbn.minmax_scale(lazy, kept, stats=fastbn.dask.channel_quantiles(lazy, q, kept), clip=True)
    assert same(stretched.compute(), fastbn.minmax_scale(x, kept, stats=whole, clip=True))


def test_given_quantiles():
    x = chunked(numbers("float32"))
    stats = fastbn.channel_quantiles(x.compute(), [0.25, 0.5, 0.75])
    assert same(fastbn.robust_scale(x, stats=stats).compute(), fastbn.robust_scale(x.compute(), stats=stats))


# What is refused, and when


def with_nan():
    x = numbers()
    x[20, 4, 7] = NAN
    return chunked(x)


def constant_channel():
    x = numbers()
    x[:, 3] = 1.0
    return chunked(x)


LATE = {
    "NaN": (lambda: fastbn.dask.channel_stats(with_nan(), nan_policy="raise"), r"x: channel \(4,\) has a NaN"),
    "NaN in a map": (lambda: fastbn.zscore(with_nan(), nan_policy="raise"), r"x: channel \(4,\) has a NaN"),
    "NaN beside given statistics": (
        lambda: fastbn.minmax_scale(with_nan(), nan_policy="raise", stats=fastbn.channel_stats(numbers())),
        r"x: channel \(4,\) has a NaN",
    ),
    "constant": (lambda: fastbn.zscore(constant_channel(), on_constant="raise"), r"x: channel \(3,\) is constant"),
    "constant range": (
        lambda: fastbn.minmax_scale(constant_channel(), on_constant="raise"),
        r"x: channel \(3,\) is constant",
    ),
    "weights": (lambda: fastbn.zscore(chunked(numbers()), weights=da.full(8, -1.0)), "weights: got -1.0"),
}


@pytest.mark.parametrize("case", LATE)
def test_what_only_the_data_tell_is_refused_when_computed(case):
    make, message = LATE[case]
    lazy = make()
    with pytest.raises(ValueError, match=message):
        lazy.compute()


EARLY = {
    "axis": (lambda x: fastbn.zscore(x, 3), ValueError, r"channel_axis: got 3 for an array of shape \(23, 5, 8\)"),
    "dtype of data": (lambda x: fastbn.zscore(x * 1j), TypeError, "x: got dtype complex128"),
    "masks of layers": (
        lambda x: fastbn.layer_norm(da.ma.masked_less(x, 0), axis=0),
        TypeError,
        "x: got a masked array",
    ),
    "masks of groups": (lambda x: fastbn.group_norm(da.ma.masked_less(x, 0), 5), TypeError, "x: got a masked array"),
    "out": (
        lambda x: fastbn.zscore(x, out=np.empty(SHAPE)),
        TypeError,
        "out: got ndarray for a Dask array; wants None",
    ),
    "out of normalize": (
        lambda x: fastbn.normalize(x, ChannelStats.empty(5), out=x),
        TypeError,
        "out: got Array for a Dask array",
    ),
    "ddof": (lambda x: fastbn.zscore(x, ddof=-1), ValueError, "ddof: got -1"),
    "eps": (lambda x: fastbn.zscore(x, eps=NAN), ValueError, "eps: got nan"),
    "dtype": (lambda x: fastbn.zscore(x, dtype=int), TypeError, "dtype: got int64"),
    "range": (lambda x: fastbn.minmax_scale(x, feature_range=(1, 0)), ValueError, "feature_range"),
    "nan_policy": (lambda x: fastbn.dask.channel_stats(x, nan_policy="no"), ValueError, "nan_policy: got 'no'"),
    "method": (lambda x: fastbn.dask.channel_stats(x, method="no"), ValueError, "method: got 'no'"),
    "on_constant": (lambda x: fastbn.zscore(x, on_constant="no"), ValueError, "on_constant: got 'no'"),
    "exact weights": (lambda x: fastbn.zscore(x, weights=np.ones(8), method="exact"), ValueError, "weights: got some"),
    "where": (lambda x: fastbn.zscore(x, where=np.ones(8)), TypeError, "where: got dtype float64; wants bool"),
    "where beside given statistics": (
        lambda x: fastbn.zscore(x, stats=ChannelStats.empty(5), where=np.ones(8)),
        TypeError,
        "where: got dtype float64; wants bool",
    ),
    "weights beside given statistics": (
        lambda x: fastbn.zscore(x, stats=ChannelStats.empty(5), weights=np.ones(3)),
        ValueError,
        r"weights: got shape \(3,\); wants one that broadcasts to \(23, 5, 8\)",
    ),
    "dtype of weights": (
        lambda x: fastbn.dask.channel_stats(x, weights=da.ones(8) * 1j),
        TypeError,
        "weights: got dtype complex128; wants real numbers",
    ),
    "shape of where": (
        lambda x: fastbn.channel_stats(x, where=da.ones((5, 5), np.bool_)),
        ValueError,
        r"where: got shape \(5, 5\); wants one that broadcasts to \(23, 5, 8\)",
    ),
    "nodata": (lambda x: fastbn.zscore(x, nodata=[1.0, 2.0]), ValueError, r"nodata: got shape \(2,\)"),
    "lazy nodata": (lambda x: fastbn.zscore(x, nodata=da.ones(5)), TypeError, "nodata: got a Dask array"),
    "stats": (lambda x: fastbn.normalize(x, 3), TypeError, "stats: got int; wants ChannelStats"),
    "shape of stats": (lambda x: fastbn.zscore(x, stats=ChannelStats.empty(4)), ValueError, r"channel shape \(4,\)"),
    "shape of lazy stats": (
        lambda x: fastbn.zscore(x, stats=fastbn.dask.channel_stats(x, 2)),
        ValueError,
        r"stats: got statistics of channel shape \(8,\); wants \(5,\)",
    ),
    "kind of stats": (
        lambda x: fastbn.zscore(x, stats=fastbn.dask.channel_quantiles(x.astype("u1"), 0.5)),
        TypeError,
        "stats: got ChannelQuantiles; wants ChannelStats",
    ),
    "gamma": (
        lambda x: fastbn.normalize(x, ChannelStats.empty(5), gamma=np.ones(4)),
        ValueError,
        r"gamma: got shape \(4,\); wants \(5,\)",
    ),
    "lazy gamma": (
        lambda x: fastbn.normalize(x, ChannelStats.empty(5), gamma=da.ones(4)),
        ValueError,
        r"gamma: got shape \(4,\); wants \(5,\)",
    ),
    "dtype of lazy gamma": (
        lambda x: fastbn.normalize(x, ChannelStats.empty(5), gamma=da.ones(5) * 1j),
        TypeError,
        "gamma: got dtype complex128; wants real numbers",
    ),
    "gamma of 0": (
        lambda x: fastbn.denormalize(x, ChannelStats.empty(5), gamma=np.zeros(5)),
        ValueError,
        "gamma: got 0",
    ),
    "name of y": (lambda x: fastbn.denormalize(x * 1j, ChannelStats.empty(5)), TypeError, "y: got dtype complex128"),
    "constant given": (
        lambda x: fastbn.zscore(x, stats=ChannelStats.from_moments(9, np.ones(5), 0.0), on_constant="raise"),
        ValueError,
        r"x: channel \(0,\) is constant",
    ),
    "layer": (fastbn.BatchNorm(5), TypeError, "x: got a dask.Array, which forward does not take"),
    "another kind": (lambda x: fastbn.dask.channel_stats(x.compute()), TypeError, "x: got ndarray; wants a Dask array"),
}


@pytest.mark.parametrize("case", EARLY)
def test_what_can_be_told_without_data_is_refused_at_once(case):
    call, error, message = EARLY[case]
    with pytest.raises(error, match=message):
        call(chunked(numbers()))


def test_one_name_for_one_meaning():
    """The lazy functions have the parameters of the others, in the same order."""
    import inspect

    for name in ("channel_stats", "channel_quantiles"):
        eager, lazy = (inspect.signature(getattr(module, name)) for module in (fastbn, fastbn.dask))
        assert [(p.name, p.default) for p in eager.parameters.values()] == [
            (p.name, p.default) for p in lazy.parameters.values()
        ]
    for name, handler in fastbn.dask.HANDLERS.items():
        if name not in ("channel_stats", "channel_quantiles"):
            eager, lazy = inspect.signature(getattr(fastbn, name)), inspect.signature(handler)
            assert [(p.name, p.default, p.kind) for p in eager.parameters.values()] == [
                (p.name, p.default, p.kind) for p in lazy.parameters.values()
            ], name

"""What does not count: NaN, masks, nodata, against the exact oracle over what is left."""

import itertools
import math
import pickle

import numpy as np
import pytest

import fastbn
import oracle
from contract import assert_exact, assert_statistics
from generators import CASES, FLOATS, INTEGERS, channels
from layouts import LAYOUTS

pytestmark = pytest.mark.usefixtures("backend")

# Every family and dtype, each in three layouts, which take turns.
_TURNS = itertools.cycle(LAYOUTS)
TABLE = [(name, dtype, layout) for name, dtype in CASES for layout in itertools.islice(_TURNS, 3)]
METHODS = ["compensated", "exact"]


def holes(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """What counts of channels (C, n): most, much, little, in runs, alternating, one value, nothing."""
    rng = np.random.default_rng(seed)
    counts = rng.random(shape) < rng.choice([0.99, 0.7, 0.05], shape[0])[:, np.newaxis]
    n = shape[1]
    for c in range(shape[0]):
        if c % 7 == 3:
            counts[c] = np.arange(n) % max(2, n // 5) > n // 9
        elif c % 7 == 4:
            counts[c] = np.arange(n) % 2 == 0
        elif c % 7 == 5:
            counts[c] = np.arange(n) == rng.integers(n)
        elif c % 7 == 6:
            counts[c] = False
    return counts


def moments_of(values: np.ndarray, counts: np.ndarray, times: int = 1) -> list[oracle.Moments]:
    return [oracle.moments(row[keep]).repeated(times) for row, keep in zip(values, counts, strict=True)]


def check(stats, values, counts, dtype, times=1):
    expected = moments_of(values, counts, times)
    missing = (times * (~counts).sum(axis=1)).tolist()
    if stats.method == "exact":
        assert_exact(stats, expected, dtype)
        assert stats.n_missing.ravel().tolist() == missing
    else:
        assert_statistics(stats, expected, dtype, missing=missing)
    empty = stats.count.ravel() == 0
    for vector in (stats.mean, stats.var(), *((stats.min, stats.max) if values.dtype.kind == "f" else ())):
        assert np.isnan(vector.ravel()[empty]).all()


def arranged(layout: str, values: np.ndarray, counts: np.ndarray):
    data = LAYOUTS[layout](values)
    return data, LAYOUTS[layout](counts.astype(np.uint8)).x.astype(bool)


# --- statistics -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("name", "dtype", "layout"), TABLE)
def test_where(name, dtype, layout, method):
    values = channels(name, dtype)
    counts = holes(values.shape)
    data, where = arranged(layout, values, counts)
    stats = fastbn.channel_stats(data.x, data.axis, where=where, method=method)
    check(stats, values, counts, dtype, data.times)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("name", "dtype", "layout"), [case for case in TABLE if case[1] in FLOATS])
def test_omit(name, dtype, layout, method):
    values = channels(name, dtype).copy()
    counts = holes(values.shape)
    values[~counts] = math.nan
    counts &= ~np.isnan(values)
    data = LAYOUTS[layout](values)
    stats = fastbn.channel_stats(data.x, data.axis, nan_policy="omit", method=method)
    check(stats, values, counts, dtype, data.times)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 100_003), (70, 3000), (2, 8, 4, 700), (600, 5)])
def test_gaps_in_some_tiles_only(shape, dtype, method):
    """Tiles with and without gaps in turns, along rows and down columns; whole tiles of nothing at their ends."""
    rng = np.random.default_rng(1)
    x = rng.normal(1000, 1, shape).astype(dtype)
    flat = x.reshape(-1)
    for start in range(0, flat.size, max(1, flat.size // 7)):
        flat[start : start + flat.size // 50] = math.nan
    flat[-flat.size // 10 :] = math.nan
    for axis in range(x.ndim):
        values = np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)
        check(fastbn.channel_stats(x, axis, nan_policy="omit", method=method), values, ~np.isnan(values), dtype)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("policy", ["propagate", "omit"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_and_infinity_beside_a_mask(dtype, policy, method):
    """What is masked may be anything; what is not follows the policy and IEEE 754."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(6, 5000)).astype(dtype)
    counts = rng.random(values.shape) < 0.5
    values[~counts] = rng.choice([math.nan, math.inf, -math.inf, 1], (~counts).sum())
    values[1, np.flatnonzero(counts[1])[0]] = math.nan
    values[2, np.flatnonzero(counts[2])[7]] = math.inf
    values[3, np.flatnonzero(counts[3])[[7, 9]]] = math.inf, -math.inf
    values[4, np.flatnonzero(counts[4])[[7, 9]]] = math.nan, -math.inf
    stats = fastbn.channel_stats(values, 0, where=counts, nan_policy=policy, method=method)
    check(stats, values, counts & ~np.isnan(values) if policy == "omit" else counts, dtype)


@pytest.mark.parametrize("policy", ["omit", "raise", "propagate"])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_have_no_nan(dtype, policy):
    x = np.arange(12).reshape(6, 2).astype(dtype)
    assert fastbn.channel_stats(x, nan_policy=policy) == fastbn.channel_stats(x)


def test_raise_names_the_first_channel():
    x = np.zeros((4, 3, 2))
    assert fastbn.channel_stats(x, nan_policy="raise") == fastbn.channel_stats(x)
    x[1, 2, 0] = x[3, 1, 1] = math.nan
    for function in (fastbn.channel_stats, fastbn.zscore, fastbn.minmax_scale):
        with pytest.raises(ValueError, match=r"channel \(1,\) has a NaN"):
            function(x, nan_policy="raise")
        with pytest.raises(ValueError, match=r"channel \(1, 1\) has a NaN"):
            function(x, (1, 2), nan_policy="raise")
        function(x, nan_policy="raise", where=~np.isnan(x))
    stats = fastbn.channel_stats(x, nan_policy="omit")
    with pytest.raises(ValueError, match="has a NaN"):
        fastbn.zscore(x, stats=stats, nan_policy="raise")
    for kind in ("running", "batch"):
        running = {"running_mean": np.zeros(3), "running_var": np.ones(3)}
        with pytest.raises(ValueError, match="has a NaN"):
            fastbn.batch_norm(x, **running, training=kind == "batch", nan_policy="raise")
        assert (running["running_mean"] == 0).all()


@pytest.mark.parametrize("where_shape", [(40, 1, 1), (1, 6, 1), (1, 1, 50), (50,), (), (40, 6, 1)])
def test_where_broadcasts(where_shape):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 6, 50))
    where = rng.random(where_shape) < 0.5
    full = np.broadcast_to(where, x.shape)
    values, counts = (np.moveaxis(a, 1, 0).reshape(6, -1) for a in (x, full))
    check(fastbn.channel_stats(x, where=where), values, counts, x.dtype)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
def test_nodata_is_where_it_is_not(dtype, method):
    rng = np.random.default_rng(4)
    x = rng.integers(0, 2, (500, 4, 3)).astype(dtype)
    x[..., 0] = 1
    for nodata in (0, 1, np.array([0, 1, 1, 0])):
        stats = fastbn.channel_stats(x, nodata=nodata, method=method)
        given = np.broadcast_to(np.asarray(nodata).reshape(-1, 1), (4, 1))
        assert stats == fastbn.channel_stats(x, where=x != given.astype(dtype), method=method)
        assert stats.n_missing.sum() == (x == given.astype(dtype)).sum() > 0


@pytest.mark.parametrize(
    ("dtype", "value", "others"),
    [
        (np.int64, 2**62 + 1, [2**62, 2**62 + 2]),
        (np.int64, -(2**63), [-(2**63) + 1, 0]),
        (np.uint64, 2**64 - 1, [2**64 - 2, 2**64 - 1024]),
        (np.float32, 0.1, [0.2, 0.3]),
        (np.float64, math.nan, [0.0, 1.0]),
        (np.float32, -3.4028234663852886e38, [0.0, -1.0]),
        (np.float16, -9999, [0.0, 1.0]),
        (np.bool_, False, [True, True]),
    ],
)
def test_nodata_is_compared_in_the_dtype(dtype, value, others):
    x = np.array([[value], *([v] for v in others)], dtype)
    for given in (value, [value], np.array([value], object) if isinstance(value, int) else value):
        stats = fastbn.channel_stats(x, nodata=given)
        assert stats.count.tolist() == [2]
        assert stats.n_missing.tolist() == [1]
        assert stats.min[0] == np.array(others, dtype).min()
    assert fastbn.channel_stats(x, nodata=others[0]).count.tolist() == [3 - sum(v == others[0] for v in others)]


def test_nodata_per_channel_at_the_ends_of_integers():
    x = np.array([[2**64 - 1, 0], [1, 1], [2, 2]], np.uint64)
    for nodata in ([2**64 - 1, 0], np.array([2**64 - 1, 0], np.uint64), [2**64 - 1, math.nan]):
        assert fastbn.channel_stats(x, nodata=nodata).count.tolist() == [2, 2 + (nodata[1] != 0)]
    y = np.array([[1.0], [math.inf], [3.0]], np.float32)
    assert fastbn.channel_stats(y, nodata=math.inf).mean.tolist() == [2.0]


def test_no_axes_at_all():
    for dtype in (np.float32, np.float16, ">f8", np.uint8):
        x = np.array(3, dtype)
        assert float(fastbn.zscore(x, None, nodata=1.0)) == 0.0
        assert float(fastbn.minmax_scale(x, None, nodata=3)) == 3.0
        assert fastbn.channel_stats(x, None, where=False).count == 0
    stats = fastbn.channel_stats(np.array([1.0, 5.0]), None)
    assert fastbn.denormalize(0.0, stats, None, dtype=np.int8) == 3
    assert fastbn.minmax_unscale(1.0, stats, None, dtype=np.int64) == 5
    for training in (True, False):
        dy, x = np.array(1.0), np.array(2.0)
        found = fastbn.batch_norm_backward(dy, x, stats, channel_axis=None, where=False, training=training)
        assert found.dx == 0


def test_channels_without_nodata():
    x = np.array([[0, 0], [1, 1], [2, 2]], np.uint8)
    assert fastbn.channel_stats(x, nodata=[0, math.nan]).count.tolist() == [2, 3]
    y = np.array([[0, 0], [1, 1], [math.nan, 2]])
    assert fastbn.channel_stats(y, nodata=[math.nan, 2]).count.tolist() == [2, 2]


@pytest.mark.parametrize("method", METHODS)
def test_masked_array(method):
    rng = np.random.default_rng(5)
    x = np.ma.MaskedArray(rng.normal(size=(300, 4)), rng.random((300, 4)) < 0.3)
    assert fastbn.channel_stats(x, method=method) == fastbn.channel_stats(x.data, where=~x.mask, method=method)
    rows = rng.random((300, 1)) < 0.5
    both = fastbn.channel_stats(x, where=rows, method=method)
    assert both == fastbn.channel_stats(x.data, where=~x.mask & rows, method=method)
    unmasked = np.ma.MaskedArray(x.data)
    assert fastbn.channel_stats(unmasked, method=method) == fastbn.channel_stats(x.data, method=method)


def test_nothing_at_all():
    x = np.zeros((4, 3), np.float32)
    for kind in ({"where": False}, {"nodata": 0.0}, {"weights": 0}):
        stats = fastbn.channel_stats(x, **kind)
        assert (stats.count == 0).all()
        assert (stats.n_missing == 4).all()
        assert np.isnan(stats.mean).all()
        assert np.isnan(stats.min).all()
        assert np.isnan(stats.var()).all()
    assert np.isnan(fastbn.zscore(x, where=False)).all()
    empty = np.zeros((0, 3))
    assert fastbn.channel_stats(empty, where=True, nodata=1.0) == fastbn.channel_stats(empty)


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
def test_many_channels_of_few_values(dtype):
    """Grid cells: the channels of a block outnumber their values."""
    rng = np.random.default_rng(6)
    x = rng.integers(0, 2, (5, 300, 400)).astype(dtype)
    where = rng.random(x.shape) < 0.5
    stats = fastbn.channel_stats(x, (1, 2), where=where)
    count = where.sum(axis=0)
    assert (stats.count == count).all()
    with np.errstate(all="ignore"):
        mean = np.where(where, x.astype(np.int64), 0).sum(axis=0) / count
    np.testing.assert_array_equal(stats.mean, mean)
    np.testing.assert_allclose(stats.var(), mean - mean * mean, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("method", METHODS)
def test_threads_change_no_bit(method):
    rng = np.random.default_rng(7)
    x = rng.normal(size=(64, 5, 300, 40)).astype(np.float32)
    x[rng.random(x.shape) < 0.01] = math.nan
    where = rng.random((300, 40)) < 0.5
    found = []
    for threads in (1, 2, 3):
        fastbn.set_num_threads(threads)
        found.append(
            [
                fastbn.channel_stats(x, nan_policy="omit", method=method),
                fastbn.channel_stats(x, where=where, method=method),
                fastbn.channel_stats(x, weights=np.cos(np.arange(300.0) / 200)[:, None], nan_policy="omit"),
            ]
        )
    fastbn.set_num_threads(2)
    assert found[0] == found[1] == found[2]


def test_gaps_seen_before_change_no_bit():
    """A thread remembers whether its last tile had gaps: what it did before must not matter."""
    rng = np.random.default_rng(8)
    x = rng.normal(1e6, 1, size=(100, 3, 400))
    y = x.copy()
    y[::3, :, ::5] = math.nan
    first = [fastbn.channel_stats(a, nan_policy="omit") for a in (x, y)]
    again = [fastbn.channel_stats(a, nan_policy="omit") for a in (y, x)]
    assert first == again[::-1]
    assert first[0] == fastbn.channel_stats(x)


# --- statistics as values -------------------------------------------------------------------------------------------


def stats_with_gaps(method="compensated"):
    x = np.array([[1.0, math.nan, 3.0], [math.nan, math.nan, 5.5], [2.0, math.nan, 0.1]])
    return fastbn.channel_stats(x, nan_policy="omit", method=method)


@pytest.mark.parametrize("method", METHODS)
def test_values_keep_what_is_missing(method, tmp_path):
    stats = stats_with_gaps(method)
    stats.save(tmp_path / "stats.json")
    for copy in (
        pickle.loads(pickle.dumps(stats)),
        fastbn.ChannelStats.from_dict(stats.to_dict()),
        fastbn.ChannelStats.load(tmp_path / "stats.json"),
        stats.select(slice(None)),
        stats.with_names("abc").with_names(None),
        stats + fastbn.ChannelStats.empty(3),
    ):
        assert copy.n_missing.tolist() == [1, 3, 0]
        assert copy.count.tolist() == [2, 0, 3]
        if copy is not stats:
            assert (copy == stats) == (method == copy.method)
    assert stats.select([1, 2]).n_missing.tolist() == [3, 0]
    assert stats != fastbn.channel_stats(np.array([[1.0, 3.0, 3.0], [2.0, 3.0, 0.1]]), method=method)
    twice = stats + stats
    assert twice.n_missing.tolist() == [2, 6, 0]
    assert twice.count.tolist() == [4, 0, 6]
    assert sum([stats] * 5).n_missing.tolist() == [5, 15, 0]
    both = stats.update(np.array([[math.nan, 1.0, 2.0]]), nan_policy="omit")
    assert both.n_missing.tolist() == [2, 3, 0]
    assert both.min.tolist() == [1.0, 1.0, 0.1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_missing", [1, -1, 0]),
        ("n_missing", [1, 1]),
        ("weight", [2.0, 1.0, 3.0]),
        ("weight", [2.0, 0.0, "NaN"]),
        ("weight", [-2.0, 0.0, 3.0]),
        ("weight_tail", [1.0, 0.0, 0.0]),
        ("count", [2.0, 0.5, 3.0]),
    ],
)
def test_damaged_records(field, value):
    record = stats_with_gaps().to_dict() | {field: value}
    with pytest.raises(ValueError, match="damaged statistics"):
        fastbn.ChannelStats.from_dict(record)


def test_records_of_complete_data_stay_as_they_were():
    """So that earlier versions read them."""
    assert fastbn.channel_stats(np.ones((3, 2)), nan_policy="omit").to_dict()["version"] == 1
    assert stats_with_gaps().to_dict()["version"] == 3
    with pytest.raises(ValueError, match="upgrade"):
        fastbn.ChannelStats.from_dict(stats_with_gaps().to_dict() | {"version": 4})


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"where": np.ones((3, 3), bool)}, ValueError, r"where: got shape \(3, 3\)"),
        ({"where": np.ones((4, 2), int)}, TypeError, "where: got dtype int64; wants bool"),
        ({"where": [[True], [True, False]]}, ValueError, "where: got no rectangular array"),
        ({"where": np.ma.MaskedArray([[True]] * 4)}, TypeError, "where: got a masked array"),
        ({"weights": np.ma.MaskedArray([[1.0]] * 4)}, TypeError, "weights: got a masked array"),
        ({"weights": 2**53 + 1}, ValueError, "weights: got 9007199254740993"),
        ({"weights": 1e308}, ValueError, "weights: got weights whose sum"),
        ({"nodata": 10**400}, ValueError, "nodata: got 1000"),
        ({"where": np.ones((2, 4, 2), bool)}, ValueError, "where: got shape"),
        ({"nodata": [1, 2, 3]}, ValueError, r"nodata: got shape \(3,\)"),
        ({"nodata": "none"}, TypeError, "nodata: got 'none'"),
        ({"nodata": 1j}, TypeError, "nodata: got 1j"),
        ({"nan_policy": "ignore"}, ValueError, "nan_policy: got 'ignore'"),
        ({"weights": -1.0}, ValueError, r"weights: got -1\.0"),
        ({"weights": math.nan}, ValueError, "weights: got nan"),
        ({"weights": math.inf}, ValueError, "weights: got inf"),
        ({"weights": [1, 2, 3]}, ValueError, r"weights: got shape \(3,\)"),
        ({"weights": 1j}, TypeError, "weights: got dtype"),
        ({"weights": 1, "method": "exact"}, ValueError, "weights: got some with method='exact'"),
    ],
)
@pytest.mark.parametrize("function", [fastbn.channel_stats, fastbn.zscore])
def test_bad_arguments_write_nothing(function, arguments, error, match):
    x = np.arange(8.0).reshape(4, 2)
    out = np.full((4, 2), 7.0)
    extra = {"out": out} if function is fastbn.zscore else {}
    with pytest.raises(error, match=match):
        function(x, **arguments, **extra)
    assert (out == 7).all()


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        ("uint8", -9999),
        ("uint8", 0.5),
        ("int16", 1e6),
        ("int32", math.inf),
        ("bool", 2),
        ("float32", -1.797e308),
        ("float16", -99999),
    ],
)
def test_nodata_that_the_data_cannot_be(dtype, nodata):
    with pytest.raises(ValueError, match="nodata: got"):
        fastbn.channel_stats(np.ones((3, 2), dtype), nodata=nodata)


def test_bad_weights_are_refused_with_statistics_given_and_without_data():
    stats = fastbn.channel_stats(np.eye(2))
    with pytest.raises(ValueError, match="weights: got"):
        fastbn.zscore(np.eye(2), weights=[[-1], [math.nan]], stats=stats)
    with pytest.raises(ValueError, match="weights: got"):
        fastbn.channel_stats(np.zeros((0, 2)), weights=-1.0)


def test_one_bad_weight_among_many():
    x = np.zeros((3000, 40))
    weights = np.ones((3000, 1))
    weights[2999] = -0.5
    out = np.full_like(x, 7.0)
    with pytest.raises(ValueError, match=r"weights: got -0\.5"):
        fastbn.zscore(x, weights=weights, out=out)
    assert (out == 7).all()


@pytest.mark.parametrize("method", ["compensated", "exact"])
@pytest.mark.parametrize("dtype", ["i8", "u8", "i4", "f4", "f8"])
@pytest.mark.parametrize("shape", [(40_000, 1), (3, 70_000), (70_000, 3)])
def test_long_runs_of_nothing(shape, dtype, method):
    """Whole tiles in which nothing counts."""
    x = np.full(shape, 100, dtype)
    axis = int(np.argmin(shape))
    rows = np.moveaxis(x, axis, 0)
    rows[:, 5:13] = np.arange(8).astype(dtype) + x.dtype.type(2**40 if dtype.endswith("8") else 2**20)
    exact = oracle.channel_moments(rows[:, 5:13].copy(), 0)
    for arguments in ({"nodata": 100}, {"where": x != 100}):
        stats = fastbn.channel_stats(x, axis, method=method, **arguments)
        assert (stats.count == 8).all()
        assert (stats.n_missing == rows.shape[1] - 8).all()
        for c, moments in enumerate(exact):
            assert oracle.ulps(float(stats.mean[c]), moments.mean) <= 1
            assert oracle.ulps(float(stats.var()[c]), moments.var(0)) <= 2

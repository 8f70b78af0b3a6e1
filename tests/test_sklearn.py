"""The scikit-learn estimators as functions of numbers: exact values, the bits of fastbn's functions, any axes."""

import math
import operator
from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastbn
import oracle
from contract import assert_statistics
from rational import assert_rescaled, assert_standardized, assert_unscaled

pytest.importorskip("sklearn")

from fastbn.sklearn import MinMaxScaler, StandardScaler

pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.host]

FLOATS = (np.float16, np.float32, np.float64)
INTEGERS = (np.bool_, np.uint8, np.int16, np.int32, np.uint64)
BOTH = (StandardScaler, MinMaxScaler)
OPTIONS = [(True, True), (False, True), (True, False)]  # with_mean, with_std
AXES = [1, -1, 3, (1, 2), (0, -1), 0, None, (1,)]


def normal(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(3, 2, shape).astype(dtype)


def with_gaps(shape, dtype=np.float64):
    x = normal(shape, dtype)
    x[np.random.default_rng(1).random(shape) < 0.2] = np.nan
    return x


def tables(*dtypes, gaps):
    """Tables of a few eighths, among which columns are constant or empty often enough."""
    eighths = st.integers(-40, 40).map(lambda k: k / 8) | st.sampled_from([3.0, np.nan if gaps else 3.0])
    shapes = st.tuples(st.integers(1, 9), st.integers(1, 3))
    return st.sampled_from(dtypes).flatmap(lambda dtype: hnp.arrays(dtype, shapes, elements=eighths))


def divisors(x, with_mean, with_std):
    """What is subtracted and the square of what is divided by, exactly: 0 and 1 where that is not wanted, or is 0."""
    moments = [oracle.moments([v for v in values if v == v]) for values in oracle.channels(x)]
    means = [m.mean if with_mean or not m.count else Fraction(0) for m in moments]
    return [
        (mean, m.var() if m.count == 0 or (with_std and m.var() > 0) else Fraction(1))
        for mean, m in zip(means, moments, strict=True)
    ]


@pytest.mark.parametrize(("with_mean", "with_std"), OPTIONS)
@given(st.data())
def test_standard_scaler_is_exact(with_mean, with_std, data):
    x = data.draw(tables(*FLOATS, gaps=True))
    later = data.draw(tables(x.dtype, gaps=True).filter(lambda z: z.shape[1] == x.shape[1]) | st.just(x[::-1] + 1))
    scaler = StandardScaler(with_mean=with_mean, with_std=with_std)
    y = scaler.fit_transform(x)
    assert y.dtype == x.dtype
    assert np.array_equal(y, scaler.transform(x), equal_nan=True)
    assert_standardized(y, x, moments=divisors(x, with_mean, with_std))
    assert_standardized(scaler.transform(later), later, moments=divisors(x, with_mean, with_std))


@given(tables(*FLOATS, gaps=True))
def test_attributes_are_the_statistics(x):
    scaler = StandardScaler().fit(x)
    values = [[v for v in column if v == v] for column in oracle.channels(x)]
    moments = [oracle.moments(column) for column in values]
    assert_statistics(scaler.stats_, moments, x.dtype, missing=[len(x) - m.count for m in moments])
    assert np.array_equal(scaler.mean_, scaler.stats_.mean, equal_nan=True)
    assert np.array_equal(scaler.var_, scaler.stats_.var(), equal_nan=True)
    for scale, std, m in zip(scaler.scale_, scaler.stats_.std(), moments, strict=True):
        assert scale == (1.0 if m.count and m.var() == 0 else std) or m.count == 0
        assert math.isnan(scale) == (m.count == 0)
    counts = [m.count for m in moments]
    assert np.array_equal(scaler.n_samples_seen_, counts[0] if len(set(counts)) == 1 else counts)
    assert isinstance(scaler.n_samples_seen_, np.integer) == (len(set(counts)) == 1)
    assert scaler.n_features_in_ == x.shape[1]


def test_attributes_of_the_widest_range():
    x = np.array([[1.7e308], [-1.7e308]])
    scaler = MinMaxScaler().fit(x)
    assert (scaler.data_range_, scaler.scale_, scaler.min_) == (np.inf, 0, 0)
    assert scaler.transform(x).tolist() == [[1], [0]]
    assert np.isnan(MinMaxScaler().fit([[0.0], [5e-324]]).min_)


@given(st.data(), st.sampled_from([(0, 1), (-1.0, 1.0), (0.1, 0.9), (3, 40)]))
def test_minmax_scaler_is_exact(data, feature_range):
    x = data.draw(tables(*FLOATS, np.float64, gaps=False))
    scaler = MinMaxScaler(feature_range)
    y = scaler.fit_transform(x)
    assert y.dtype == x.dtype
    lo, hi = (y.dtype.type(end) for end in feature_range)
    assert ((lo <= y) & (y <= hi)).all()
    fitted = np.concatenate([x, np.where(x.min(axis=0) == x.max(axis=0), x.max(axis=0) + 1, x.max(axis=0))[np.newaxis]])
    assert_rescaled(y, x, fitted=fitted, feature_range=feature_range)
    later = x[::-1] * 2 + 1
    assert_rescaled(scaler.transform(later), later, fitted=fitted, feature_range=feature_range)
    clipped = MinMaxScaler(feature_range, clip=True).fit(x).transform(later)
    assert np.array_equal(clipped, np.clip(scaler.transform(later), lo, hi))
    assert_unscaled(MinMaxScaler().fit(x).inverse_transform(later), later, fitted=fitted)


@pytest.mark.parametrize("dtype", FLOATS)
def test_bits_are_those_of_the_functions(dtype):
    x, later = with_gaps((40, 5), dtype), normal((7, 5), dtype, seed=2)
    stats = fastbn.channel_stats(x, nan_policy="omit")
    standard, minmax = StandardScaler().fit(x), MinMaxScaler((-1, 1), clip=True).fit(x)
    assert standard.stats_ == minmax.stats_ == stats
    pairs = [
        (standard.transform(later), fastbn.normalize(later, stats)),
        (standard.fit_transform(x), fastbn.zscore(x, nan_policy="omit")),
        (standard.inverse_transform(later), fastbn.denormalize(later, stats)),
        (minmax.transform(later), fastbn.minmax_scale(later, stats=stats, feature_range=(-1, 1), clip=True)),
        (minmax.fit_transform(x), fastbn.minmax_scale(x, feature_range=(-1, 1), nan_policy="omit")),
        (minmax.inverse_transform(later), fastbn.minmax_unscale(later, stats, feature_range=(-1, 1))),
    ]
    for ours, functions in pairs:
        assert ours.dtype == functions.dtype == dtype
        assert ours.tobytes() == functions.tobytes()


def test_a_constant_channel_changes_no_bit_of_others():
    x = normal((30, 4))
    alone = [cls().fit_transform(x[:, 1:]) for cls in BOTH]
    x[:, 0] = 0.1
    for cls, expected in zip(BOTH, alone, strict=True):
        y = cls().fit_transform(x)
        assert (y[:, 0] == 0).all()
        assert y[:, 1:].tobytes() == expected.tobytes()


@pytest.mark.parametrize("constant", [0.1, -7.0, 2.0**52, 1e-300])
def test_constant_channels_are_divided_by_one(constant):
    x = np.full((3, 1), constant)
    later = np.array([[constant], [constant + 0.5], [constant - 3.0]])
    for cls in BOTH:
        scaler = cls().fit(x)
        assert scaler.scale_ == 1
        assert scaler.transform(later) == pytest.approx(later - constant, rel=1e-15)
        assert scaler.inverse_transform(scaler.transform(later)) == pytest.approx(later, rel=1e-15)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_constant_integers_are_divided_by_one(dtype):
    greatest = 1 if dtype is np.bool_ else int(np.iinfo(dtype).max)
    for value in {0, 1, greatest - 1, greatest}:
        later = np.array([[value], [greatest]], dtype)
        expected = [[0.0], [float(greatest - value)]]
        for cls in BOTH:
            assert cls().fit(np.full((3, 1), value, dtype)).transform(later).tolist() == expected


def test_neither_mean_nor_std_changes_nothing():
    x = np.array([[-0.0, 3.0, np.nan], [5.0, 3.0, np.nan]])
    scaler = StandardScaler(with_mean=False, with_std=False)
    for y in (scaler.fit_transform(x), scaler.transform(x), scaler.inverse_transform(x)):
        assert y.tobytes() == x.tobytes()
        assert not np.shares_memory(y, x)
    assert scaler.transform(np.asfortranarray(x)).flags.f_contiguous
    assert scaler.mean_ is scaler.var_ is scaler.scale_ is None
    assert scaler.transform(x, copy=False) is x
    assert scaler.transform([[1, 2, 3]]).dtype == np.float64


@pytest.mark.parametrize("cls", BOTH)
@given(st.data())
def test_partial_fit_adds_statistics(cls, data):
    batches = data.draw(st.lists(hnp.arrays(np.float64, (4, 2), elements=st.floats(-9, 9)), min_size=1, max_size=6))
    scaler = reduce(lambda scaler, batch: scaler.partial_fit(batch), batches, cls())
    parts = [cls().fit(batch) for batch in batches]
    assert scaler.stats_ == reduce(operator.add, [part.stats_ for part in parts])
    assert scaler.n_samples_seen_ == 4 * len(batches)
    merged = parts[0].merge(*parts[1:])
    assert merged.stats_ == parts[0].stats_.merge(*(part.stats_ for part in parts[1:]))
    assert merged.transform(batches[0]).shape == (4, 2)
    assert parts[0].n_samples_seen_ == 4


def test_fit_forgets():
    for cls in BOTH:
        scaler = cls().fit(normal((9, 3))).fit(normal((5, 2), seed=1))
        assert scaler.stats_ == cls().fit(normal((5, 2), seed=1)).stats_
        assert scaler.n_features_in_ == 2


@given(
    hnp.arrays(np.float64, (6, 2), elements=st.integers(-20, 20).map(float)),
    hnp.arrays(np.int64, 6, elements=st.integers(0, 4)).filter(np.any),
)
def test_weights_count_samples(x, weights):
    weighted = StandardScaler().fit(x, sample_weight=weights)
    repeated = [oracle.moments(column) for column in oracle.channels(np.repeat(x, weights, axis=0))]
    for mean, var, exact in zip(weighted.mean_, weighted.var_, repeated, strict=True):
        assert oracle.ulps(mean, exact.mean) <= 1
        assert oracle.ulps(var, exact.var()) <= 2
    assert weighted.n_samples_seen_ == weights.sum()
    assert weighted.stats_ == fastbn.channel_stats(x, nan_policy="omit", weights=weights[:, np.newaxis])
    same = StandardScaler().partial_fit(x, sample_weight=weights.tolist())
    assert same.stats_ == weighted.stats_
    assert StandardScaler().fit_transform(x, sample_weight=weights).tobytes() == weighted.transform(x).tobytes()


def test_one_weight_for_all():
    x = normal((6, 2))
    scaler = StandardScaler().fit(x, sample_weight=0.5)
    assert scaler.n_samples_seen_ == 3.0
    assert scaler.mean_.tolist() == pytest.approx(x.mean(axis=0).tolist())


def test_weights_of_images():
    x = normal((4, 3, 2, 2))
    scaler = StandardScaler().fit(x, sample_weight=[1, 0, 2, 1])
    assert scaler.n_samples_seen_ == 16
    assert scaler.stats_ == StandardScaler().fit(x, sample_weight=np.array([1.0, 0, 2, 1])).stats_


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_axes(axis, dtype):
    x = with_gaps((5, 3, 4, 2), dtype)
    stats = fastbn.channel_stats(x, axis, nan_policy="omit")
    standard, minmax = StandardScaler(channel_axis=axis), MinMaxScaler(channel_axis=axis)
    assert standard.fit_transform(x).tobytes() == fastbn.normalize(x, stats, axis).tobytes()
    assert minmax.fit_transform(x).tobytes() == fastbn.minmax_scale(x, axis, stats=stats).tobytes()
    assert standard.inverse_transform(x).tobytes() == fastbn.denormalize(x, stats, axis).tobytes()
    assert minmax.inverse_transform(x).tobytes() == fastbn.minmax_unscale(x, stats, axis).tobytes()
    for scaler in (standard, minmax):
        assert scaler.stats_ == stats
        assert scaler.scale_.shape == stats.shape
        assert scaler.n_features_in_ == stats.count.size


@pytest.mark.parametrize("cls", BOTH)
def test_channels_are_counted_along_their_axis(cls):
    scaler = cls(channel_axis=-1).fit(normal((5, 4, 3)))
    assert scaler.transform(normal((2, 9, 3))).shape == (2, 9, 3)
    for method in (scaler.transform, scaler.inverse_transform, scaler.partial_fit):
        with pytest.raises(ValueError, match=f"X has 4 features, but {cls.__name__} is expecting 3 features"):
            method(normal((5, 3, 4)))
    grid = cls(channel_axis=(1, 2)).fit(normal((5, 4, 3)))
    with pytest.raises(ValueError, match=r"channel shape \(4, 3\); wants \(3, 4\)"):
        grid.transform(normal((5, 3, 4)))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_become_float64_once(dtype):
    x = np.random.default_rng(0).integers(0, 2, (9, 3)).astype(dtype)
    for cls, function in zip(BOTH, (fastbn.zscore, fastbn.minmax_scale), strict=True):
        scaler = cls()
        y = scaler.fit_transform(x)
        assert y.dtype == scaler.inverse_transform(x).dtype == np.float64
        assert y.tobytes() == function(x, dtype=np.float64).tobytes()
        assert scaler.stats_.min.dtype == dtype
        assert scaler.stats_ == fastbn.channel_stats(x)


def test_longer_floats_become_float64():
    x = normal((9, 3))
    for cls in BOTH:
        y = cls().fit_transform(x.astype(np.longdouble))
        assert y.dtype == np.float64
        assert y.tobytes() == cls().fit_transform(x).tobytes()


def test_large_integers_are_not_rounded():
    x = np.array([[2**62], [2**62 + 1], [2**62 + 2]])
    assert MinMaxScaler().fit_transform(x).tolist() == [[0.0], [0.5], [1.0]]
    assert StandardScaler(with_std=False).fit_transform(x).tolist() == [[-1.0], [0.0], [1.0]]


def test_masked_values_are_missing():
    x = np.ma.masked_equal(np.array([[1.0, 9.0], [9.0, 2.0], [3.0, 4.0]], np.float32), 9)
    holes = x.filled(np.nan)
    for cls in BOTH:
        y = cls().fit_transform(x)
        assert y.dtype == np.float32
        assert y.tobytes() == cls().fit_transform(holes).tobytes()
        assert np.isnan(cls().fit_transform(np.ma.masked_equal([[1, 9], [9, 2]], 9))).tolist() == [[0, 1], [1, 0]]
    assert not x.mask.all()

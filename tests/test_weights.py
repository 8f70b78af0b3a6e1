"""Weighted statistics against fractions, and against data in which values are repeated."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle
from generators import CASES, FLOATS, INTEGERS, channels

pytestmark = pytest.mark.usefixtures("backend")


def exact(values, weights):
    """Weight, mean and m2 of one channel as fractions."""
    pairs = [(Fraction(v), Fraction(w)) for v, w in zip(values.tolist(), weights.tolist(), strict=True) if w]
    total = sum((w for _, w in pairs), Fraction(0))
    mean = sum((v * w for v, w in pairs), Fraction(0)) / total
    condition = sum((abs(v * w) for v, w in pairs), Fraction(0)) / abs(mean * total) if mean else math.inf
    return total, mean, sum((w * (v - mean) ** 2 for v, w in pairs), Fraction(0)), condition


def check(stats, values, weights):
    for c, (row, of_row) in enumerate(zip(values, weights, strict=True)):
        total, mean, m2, condition = exact(row, of_row)
        counted = row[of_row > 0]
        assert stats.count[c] == counted.size
        assert stats.n_missing[c] == row.size - counted.size
        assert (stats.min[c], stats.max[c]) == (counted.min(), counted.max())
        assert oracle.ulps(float(stats.weight[c]), total) <= 1
        if condition <= 10**15:
            assert oracle.ulps(float(stats.mean[c]), mean) <= 1, c
        assert oracle.ulps(float(stats.var()[c]), m2 / total) <= 2, c
        if total > 2:
            assert oracle.ulps(float(stats.var(1)[c]), m2 / (total - 1)) <= 2, c
        if m2 == 0:
            assert stats.var()[c] == 0
            assert stats.mean[c] == oracle.rounded(mean)


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@pytest.mark.parametrize("axis", [0, 1])
def test_integer_weights_repeat(dtype, axis):
    rng = np.random.default_rng(0)
    x = (rng.integers(0, 2, (4, 500)) if dtype == "bool" else rng.normal(50, 9, (4, 500))).astype(dtype)
    weights = rng.integers(0, 5, 500)
    stats = fastbn.channel_stats(
        x if axis == 0 else x.T, axis, weights=weights if axis == 0 else weights[:, np.newaxis]
    )
    repeated = fastbn.channel_stats(x.repeat(weights, axis=1), 0, method="exact")
    assert (stats.weight == repeated.count).all()
    assert (stats.count == (weights > 0).sum()).all()
    for ddof in (0, 1):
        np.testing.assert_allclose(stats.var(ddof), repeated.var(ddof), rtol=4.5e-16)
    np.testing.assert_allclose(stats.mean, repeated.mean, rtol=2.3e-16)
    assert (stats.min == repeated.min).all()
    assert (stats.max == repeated.max).all()


@pytest.mark.parametrize(("name", "dtype"), CASES)
@pytest.mark.parametrize("kind", ["even", "wide", "heavy"])
def test_stress_table(name, dtype, kind):
    values = channels(name, dtype)
    values = values[:, : min(1500, values.shape[1])]
    values = values[np.isfinite(values.astype(float)).all(axis=1)]
    rng = np.random.default_rng(1)
    weights = rng.random(values.shape)
    if kind == "wide":
        weights = np.ldexp(weights, rng.integers(-200, 200, values.shape))
    elif kind == "heavy":
        weights[:, rng.integers(values.shape[1])] = 1e20
    weights[rng.random(values.shape) < 0.2] = 0
    weights[:, 0] = 1
    largest = np.abs(values.astype(float)).max(axis=1, initial=0)
    fit = (largest < 1e140) & ((largest > 1e-140) | (largest == 0))
    if fit.any():
        check(fastbn.channel_stats(values[fit], 0, weights=weights[fit]), values[fit], weights[fit])


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("most", [1, 120, 5000, 2**40])
def test_small_integers_whose_mean_has_a_fraction(dtype, most):
    ends = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    rng = np.random.default_rng(most)
    values = rng.integers(max(-most, int(ends[0])), min(most, int(ends[1])), (8, 20), endpoint=True).astype(dtype)
    weights = np.ldexp(rng.random((8, 20)), rng.integers(-30, 1, (8, 20)))
    check(fastbn.channel_stats(values, 0, weights=weights), values, weights)


@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=30),
    weights=st.lists(st.just(0.0) | st.floats(1e-60, 1e6), min_size=30, max_size=30),
)
def test_any_values_and_weights(values, weights):
    x, w = np.array([values]), np.array([weights[: len(values)]])
    if (w > 0).any():
        check(fastbn.channel_stats(x, 0, weights=w), x, w)


@pytest.mark.parametrize("shape", [(20, 1, 1), (1, 5, 1), (1, 1, 30), (20, 1, 30), (30,), (20, 5, 30)])
def test_weights_broadcast(shape):
    rng = np.random.default_rng(2)
    x, weights = rng.normal(size=(20, 5, 30)), rng.random(shape)
    full = np.broadcast_to(weights, x.shape)
    assert fastbn.channel_stats(x, weights=weights) == fastbn.channel_stats(x, weights=full.copy())
    check(fastbn.channel_stats(x, weights=weights), *(np.moveaxis(a, 1, 0).reshape(5, -1) for a in (x, full)))


def test_several_blocks_merge():
    rng = np.random.default_rng(3)
    x, weights = rng.normal(1e8, 1, (2, 100_000)), rng.random((2, 100_000))
    check(fastbn.channel_stats(x, 0, weights=weights), x, weights)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
@pytest.mark.parametrize("kind", ["near", "below 0", "near but for one", "far", "of one weight"])
def test_data_that_one_round_of_sums_can_do_and_cannot(kind, dtype):
    """Values near each other, as a sample shows, are taken about one of them; that others are not has to be noticed."""
    rng = np.random.default_rng(4)
    x, weights = rng.normal(5e6, 3, (2, 6000)), rng.random((2, 6000))
    if kind == "below 0":
        x = -x
    elif kind == "near but for one":
        x[1, 4321] = -7.0
    elif kind == "far":
        x[1] = rng.normal(0, 1e6, 6000)
        x[1, ::1500] = 2**20  # what is looked at of it is near itself
    elif kind == "of one weight":
        x[0], weights[0] = rng.normal(0, 1e6, 6000), 1e-20
        x[0, 777], weights[0, 777] = 30, 1.0
    x = x.astype(dtype)
    for order in "CF":
        check(fastbn.channel_stats(np.asarray(x, order=order), 0, weights=weights), x, weights)


def runs_that_cancel(n, spread):
    """Equal products in long runs, whose rounding errors add up, and the opposite but for a little."""
    x = np.repeat([0.3, -0.3 * (1 + spread), 0.3 * spread], [n, n, 1])
    return np.stack([x, x[::-1]]), np.broadcast_to([[1 / 3], [1 / 7]], (2, 2 * n + 1))


@pytest.mark.parametrize("n", [256, 3000, 8192, 50_000])
@pytest.mark.parametrize("spread", [2e-8, 2e-11, 2e-14])
@pytest.mark.parametrize("order", "CF")
def test_equal_products_that_cancel(n, spread, order):
    x, weights = runs_that_cancel(n, spread)
    x, weights = (np.tile(a, (3, 1)) for a in (x, weights))
    check(fastbn.channel_stats(np.asarray(x, order=order), 0, weights=weights), x, weights)


@pytest.mark.parametrize("weight", [1e-300, 1e-310, 1.0, 1e300])
def test_scale_of_weights_does_not_matter(weight):
    x = np.array([[1.0, 2.0, 4.0]])
    stats = fastbn.channel_stats(x, 0, weights=weight)
    assert stats.mean[0] == pytest.approx(7 / 3, rel=3e-16)
    assert stats.var()[0] == pytest.approx(14 / 9, rel=5e-16)
    assert stats.weight[0] == pytest.approx(3 * weight, rel=1e-9)


def test_zero_weight_over_anything():
    x = np.array([[1.0, math.nan, math.inf, 3.0], [math.nan, 1.0, 1.0, 1.0], [math.inf, 2.0, 2.0, 2.0]])
    weights = np.array([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0], [0.5, 1.0, 1.0, 1.0]])
    stats = fastbn.channel_stats(x, 0, weights=weights)
    np.testing.assert_array_equal(stats.mean, [2.0, math.nan, math.inf])
    np.testing.assert_array_equal(stats.var(), [1.0, math.nan, math.nan])
    np.testing.assert_array_equal(stats.min, [1.0, math.nan, 2.0])
    omitted = fastbn.channel_stats(x, 0, weights=weights, nan_policy="omit")
    np.testing.assert_array_equal(omitted.mean, [2.0, 1.0, math.inf])
    assert omitted.count.tolist() == [2, 3, 4]


def test_integers_near_the_end_of_their_range():
    x = np.array([[2**63 - 1, 2**63 - 3, 2**63 - 8]], np.int64)
    weights = np.array([[1.0, 2.0, 1.0]])
    check(fastbn.channel_stats(x, 0, weights=weights), x, weights)
    y = np.array([[2**63 - 1, -(2**63), 5]], np.int64)
    check(fastbn.channel_stats(y, 0, weights=np.array([[1.0, 1.0, 3.0]])), y, np.array([[1.0, 1.0, 3.0]]))


@pytest.mark.parametrize("dtype", ["i8", "u8"])
@pytest.mark.parametrize("spread", [2, 2**50])
@pytest.mark.parametrize("others", ["none", "of small weight", "as heavy"])
def test_large_integers_in_several_blocks(dtype, spread, others):
    """Two words of a mean near 2^63 are too few for the spread."""
    rng = np.random.default_rng(9)
    x = (np.iinfo(dtype).max - rng.integers(0, spread, (1, 140_000)).astype(dtype)).astype(dtype)
    weights = rng.random(x.shape)
    if others != "none":
        x[0, 1::700] = rng.integers(0, 9, 200).astype(dtype)
        weights[0, 1::700] *= 1e-30 if others == "of small weight" else 1.0
    check(fastbn.channel_stats(x, 0, weights=weights), x, weights)


def test_sampled_values_far_from_all_others():
    """About the sampled ones differences are rounded, which the mean has to survive."""
    rng = np.random.default_rng(10)
    for far in (1e10, 1e20, -1e140):
        x, weights = 1.0 + 1e-10 * rng.random((2, 4800)), rng.random((2, 4800))
        x[0, ::300], weights[0, ::300] = far * (1.0 + rng.random(16) / 4), 1e-280
        check(fastbn.channel_stats(x, 0, weights=weights), x, weights)


@pytest.mark.parametrize(("value", "weight"), [(1e145, 1e-290), (1e148, 1e-296), (2.0**481, 2.0**-962), (1e300, 0.0)])
def test_a_large_value_of_small_weight_does_not_hide_the_others(value, weight):
    x, weights = (
        np.array([[value, 1.0, 2.0, 3.0], [1.0, 5.0, 2.0, 3.0]]),
        np.array([[weight, 1.0, 1.0, 1.0], [1.0] * 4]),
    )
    check(fastbn.channel_stats(x, 0, weights=weights), x, weights)


def test_merges_keep_weights_apart_from_counts():
    rng = np.random.default_rng(4)
    x, weights = rng.normal(1e5, 1, (3, 900)), rng.random((3, 900))
    parts = [fastbn.channel_stats(x[:, i : i + 90], 0, weights=weights[:, i : i + 90]) for i in range(0, 900, 90)]
    check(sum(parts), x, weights)
    assert parts[0] + parts[1] == parts[1] + parts[0]
    plain = fastbn.channel_stats(x, 0)
    check(parts[0] + plain, np.hstack([x[:, :90], x]), np.hstack([weights[:, :90], np.ones_like(x)]))
    mixed = parts[0] + fastbn.channel_stats(x, 0, method="exact")
    assert mixed.count.tolist() == [990] * 3


def test_normalization_with_weights():
    rng = np.random.default_rng(5)
    x, weights = rng.normal(280, 3, (30, 4, 50)), np.cos(np.linspace(-1.5, 1.5, 30))[:, np.newaxis, np.newaxis]
    y, stats = fastbn.zscore(x, weights=weights, ddof=1, return_stats=True)
    assert stats == fastbn.channel_stats(x, weights=weights)
    np.testing.assert_array_equal(y, fastbn.normalize(x, stats, ddof=1))
    full = np.broadcast_to(weights, x.shape)
    assert np.average(y, (0, 2), full) == pytest.approx(0, abs=1e-13)


@pytest.mark.parametrize("value", [0, 5, 1023, 1024, 2000, 2047, 2048, -5, 2**53 + 1, 2**62 + 1])
def test_constant_integers(value):
    x = np.full((70_000, 2), value)
    stats = fastbn.channel_stats(x, weights=np.linspace(1, 2, 70_000)[:, np.newaxis])
    assert (stats.var() == 0).all()
    assert (stats.mean == float(value)).all()
    assert (fastbn.zscore(x, weights=3.0) == 0).all()
    x[-1, 1] += 2
    varied = fastbn.channel_stats(x, weights=np.ones((70_000, 1)))
    assert varied.var().tolist() == pytest.approx([0, 4 * 69_999 / 70_000**2], rel=1e-9)


def test_few_values_of_unlike_weights():
    rng = np.random.default_rng(6)
    for reach in (1, 3, 30):
        x = rng.normal(size=(2000, 3))
        check(fastbn.channel_stats(x, 0, weights=(w := 10.0 ** rng.uniform(-reach, reach, x.shape))), x, w)


def test_small_constants_and_zeros_come_back():
    for value in (159 * 5e-324, -159 * 5e-324, -0.0, 1e-310):
        stats = fastbn.channel_stats(np.array([[value], [value]]), weights=[[1.0], [0.3]])
        for found in (stats.mean[0], stats.min[0], stats.max[0]):
            assert found == value
            assert found != 0 or math.copysign(1, found) > 0


def test_merged_weights_keep_both_words():
    rng = np.random.default_rng(7)
    x, w = rng.normal(size=(1, 400)), rng.random((1, 400))
    parts = [fastbn.channel_stats(x[:, [i]], 0, weights=w[:, [i]]) for i in range(400)]
    check(sum(parts), x, w)
    check(parts[0].merge(*parts[1:]), x, w)


def test_infinities_on_any_thread():
    """A warning would be an error here, and threads have warnings of their own."""
    before = fastbn.get_num_threads()
    x = np.random.default_rng(0).normal(size=(400_000, 4)).astype(np.float32)
    x[5::100_000, 1] = np.inf
    try:
        fastbn.set_num_threads(2)
        stats = fastbn.channel_stats(x, weights=2.0)
    finally:
        fastbn.set_num_threads(before)
    assert stats.mean[1] == np.inf
    assert np.isnan(stats.var()[1])
    assert np.isfinite(stats.var()[[0, 2, 3]]).all()

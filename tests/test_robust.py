"""Scaling by median and quantile range, and the stretch between quantiles."""

import math
from fractions import Fraction

import numpy as np
import pytest

import fastbn
import oracle

pytestmark = pytest.mark.usefixtures("backend")


def exact_scaled(values, low, median, high):
    width = Fraction(high) - Fraction(low)
    return [(Fraction(v) - Fraction(median)) / width for v in values]


SHIFTS = {
    "float16": [0, 1000], "float32": [0, 1e6], "float64": [0, 1e6, -1e12],
    "uint8": [64], "int16": [0, 3e4], "int64": [0, 10**12, 2**55 + 1],
}  # fmt: skip
SCALED = [(dtype, shift, 0) for dtype, shifts in SHIFTS.items() for shift in shifts]
SCALED += [("float64", shift, power) for shift in (0, 1e6) for power in (-1000, -600, 500, 1000)]


@pytest.mark.parametrize(("dtype", "shift", "power"), SCALED)
def test_within_1_ulp_of_fractions(dtype, shift, power):
    rng = np.random.default_rng(1)
    values = (rng.normal(size=(3, 501)) * [[9], [30], [90]] + (0 if dtype == "int64" else shift)) * 2.0**power
    x = (values.clip(0, 255) if dtype == "uint8" else values).astype(dtype)
    if dtype == "int64":
        x += shift  # in integers: float64 has none of the odd ones up there
    y, stats = fastbn.robust_scale(x, 0, return_stats=True)
    for got, row, *ends in zip(y.tolist(), x.tolist(), *stats.values.tolist(), strict=True):
        for value, exact in zip(got, exact_scaled(row, *ends), strict=True):
            assert oracle.ulps(value, exact, y.dtype) <= 1


def test_range_is_held_in_two_words():
    """Ends whose difference no float64 is; with the rounded difference results are up to 1.02 ulp off."""
    x = np.random.default_rng(8).normal(size=(1, 4001)) * 2.0 ** np.arange(-20, 21).repeat(98)[:4001]
    y, stats = fastbn.robust_scale(x, 0, quantile_range=(1, 70), return_stats=True)
    low, median, high = stats.values[:, 0].tolist()
    assert Fraction(high) - Fraction(low) != Fraction(high - low)
    for value, exact in zip(y[0].tolist(), exact_scaled(x[0].tolist(), low, median, high), strict=True):
        assert oracle.ulps(value, exact) <= Fraction(501, 1000)


def test_range_wider_than_float64():
    x = np.array([-1.7e308, -1e308, 0.0, 1e308, 1.7e308])[:, np.newaxis]
    y = fastbn.robust_scale(x, quantile_range=(0, 100)).ravel()
    for value, exact in zip(y, exact_scaled(x.ravel().tolist(), -1.7e308, 0.0, 1.7e308), strict=True):
        assert oracle.ulps(value, exact) <= 1


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2), None])
def test_axes_and_range(axis):
    x = np.random.default_rng(2).normal(5, 3, (4, 5, 60)).astype(np.float32)
    reduced = tuple(a for a in range(3) if a not in oracle.kept_axes(x, axis))
    low, median, high = np.percentile(x.astype(np.float64), (10, 50, 80), axis=reduced, keepdims=True)
    y = fastbn.robust_scale(x, axis, quantile_range=(10, 80))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, (x - median) / (high - low), rtol=2e-7)


def test_given_quantiles():
    fitted = np.random.default_rng(3).integers(0, 200, (500, 2), dtype=np.uint8)
    x = np.random.default_rng(4).integers(0, 255, (50, 2), dtype=np.uint8)
    three = fastbn.channel_quantiles(fitted.astype(np.float32), [0.75, 0.25, 0.5])
    histogram = fastbn.channel_quantiles(fitted, 0.1)
    expected = fastbn.robust_scale(x, stats=histogram)
    np.testing.assert_array_equal(fastbn.robust_scale(x, stats=three), expected)
    low, median, high = histogram.quantile([0.25, 0.5, 0.75])
    np.testing.assert_allclose(expected, (x - median) / (high - low), rtol=1e-6)
    y, stats = fastbn.robust_scale(x, stats=three, return_stats=True)
    assert stats is three
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(("on_constant", "expected"), [("zero", 0.0), ("nan", math.nan)])
@pytest.mark.parametrize("dtype", ["uint8", "float64", "float32"])
def test_constant_channels(dtype, on_constant, expected):
    """The range is 0 although not all values are the same."""
    x = np.array([[5, 1], [5, 2], [5, 3], [5, 4], [9, 5]], dtype)
    y = fastbn.robust_scale(x, on_constant=on_constant)
    np.testing.assert_array_equal(y, [[expected, v] for v in (-1, -0.5, 0, 0.5, 1)])
    with pytest.raises(ValueError, match=r"x: channel \(0,\) is constant"):
        fastbn.robust_scale(x, on_constant="raise")


def test_nan_masks_and_nodata():
    x = np.array([[1.0, 1.0], [2.0, math.nan], [3.0, 3.0], [4.0, 4.0], [-9.0, 5.0]])
    y = fastbn.robust_scale(x, nodata=-9, nan_policy="omit")
    np.testing.assert_array_equal(y[4, 0], -9)
    np.testing.assert_array_equal(y[:4, 0], (x[:4, 0] - 2.5) / 1.5)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(x))
    assert np.isnan(fastbn.robust_scale(x)[:, 1]).all()
    masked = np.ma.MaskedArray(x, mask=(x == -9) | np.isnan(x))
    z = fastbn.robust_scale(masked)
    np.testing.assert_array_equal(z.mask, masked.mask)
    np.testing.assert_array_equal(z.compressed(), y[~masked.mask])
    where = fastbn.robust_scale(x, where=~masked.mask)
    np.testing.assert_array_equal(where[4, 0], (-9 - 2.5) / 1.5)


def test_out_and_dtype():
    x = np.random.default_rng(5).normal(size=(100, 3)).astype(np.float32)
    expected = fastbn.robust_scale(x)
    out = np.empty_like(x)
    assert fastbn.robust_scale(x, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert fastbn.robust_scale(x, dtype=np.float64).dtype == np.float64
    assert fastbn.robust_scale(x, out=x) is x
    np.testing.assert_array_equal(x, expected)
    assert fastbn.robust_scale(np.empty((0, 3))).shape == (0, 3)


BAD = {
    "quantile_range": [(75, 25), (-1, 50), (0, 101), (5, 5), (1,), (math.nan, 5)],
    "on_constant": ["none"],
    "nan_policy": ["skip"],
    "stats": [
        fastbn.channel_quantiles([[1.0, 2.0]], 0.5),
        fastbn.channel_quantiles([[1.0, 2.0, 3.0]], [0.25, 0.5, 0.75]),
        fastbn.channel_stats([[1.0, 2.0]]),
    ],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_errors_write_nothing(name, value):
    x = np.arange(8.0).reshape(4, 2)
    out = np.full_like(x, 7.0)
    with pytest.raises((ValueError, TypeError), match=rf"^{name}: "):
        fastbn.robust_scale(x, out=out, **{name: value})
    x[0, 0] = math.nan
    with pytest.raises(ValueError, match="has a NaN"):
        fastbn.robust_scale(x, out=out, stats=fastbn.channel_quantiles(x, [0.25, 0.5, 0.75]), nan_policy="raise")
    assert (out == 7.0).all()


# --- minmax_scale between quantiles -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_clip_stretch(dtype):
    x = (np.random.default_rng(6).gamma(2.0, 20.0, (3, 64, 65)).clip(0, 255)).astype(dtype)
    stats = fastbn.channel_quantiles(x, [0.02, 0.98], 0)
    y = fastbn.minmax_scale(x, 0, stats=stats, clip=True)
    low, high = np.quantile(x.astype(np.float64), [0.02, 0.98], axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(y, ((x - low) / (high - low)).clip(0, 1), rtol=1e-6, atol=1e-7)
    assert ((y == 0) == (x <= low)).all()
    assert ((y == 1) == (x >= high)).all()
    wide = fastbn.minmax_scale(x, 0, stats=stats, feature_range=(0, 255))
    assert wide.max() > 255
    back = fastbn.minmax_unscale(wide, stats, 0, feature_range=(0, 255), dtype=np.float64)
    np.testing.assert_allclose(back, x, atol=1e-4)


def test_first_and_last_are_the_ends():
    x = np.arange(101.0).reshape(101, 1)
    two, four = (fastbn.channel_quantiles(x, q) for q in ([0.1, 0.6], [0.1, 0.9, 0.3, 0.6]))
    np.testing.assert_array_equal(fastbn.minmax_scale(x, stats=two), fastbn.minmax_scale(x, stats=four))
    assert fastbn.minmax_scale([[10.0], [60.0]], stats=four).ravel().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("q", [0.5, [0.5], [0.9, 0.1], [0.5, 0.5]])
def test_too_few_quantiles(q):
    x = np.arange(6.0).reshape(3, 2)
    out = np.full_like(x, 7.0)
    with pytest.raises(ValueError, match=r"stats: got the quantiles .*; wants two or more, the first below the last"):
        fastbn.minmax_scale(x, stats=fastbn.channel_quantiles(x, q), out=out)
    with pytest.raises(ValueError, match="stats: got statistics of channel shape"):
        fastbn.minmax_scale(x, 0, stats=fastbn.channel_quantiles(x, [0.1, 0.9]), out=out)
    assert (out == 7.0).all()


def test_other_functions_want_statistics():
    x = np.arange(6.0).reshape(3, 2)
    with pytest.raises(TypeError, match="stats: got ChannelQuantiles; wants ChannelStats"):
        fastbn.zscore(x, stats=fastbn.channel_quantiles(x, [0.25, 0.75]))

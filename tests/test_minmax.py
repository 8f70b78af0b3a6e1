"""minmax_scale and minmax_unscale: exact ends, nothing outside the range, and the way back."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastbn
import oracle
from rational import assert_rescaled, assert_unscaled

pytestmark = pytest.mark.usefixtures("backend")

FLOATS = [np.float16, np.float32, np.float64]
RANGES = [(0.0, 1.0), (-1.0, 1.0), (0, 255), (0.1, 0.9), (-3.5, -1.25), (1e-3, 1e4)]
EXACT_IN_FLOAT16 = [(0.0, 1.0), (-1.0, 1.0), (0, 255), (-3.5, -1.25)]
SHAPES = [((3000, 3), 1), ((3, 3000), 0), ((9, 2, 30, 17), 1), ((9, 30, 17, 2), -1), ((5000,), None)]


def random(shape, dtype=np.float64, seed=0):
    return (np.random.default_rng(seed).normal(3, 2, shape)).astype(dtype)


def assert_in_range(y, x, channel_axis=1, feature_range=(0.0, 1.0)):
    """The ends are met exactly, and by the smallest and the largest value; nothing lies outside."""
    lo, hi = (y.dtype.type(end) for end in feature_range)
    for got, values in zip(oracle.channel_arrays(y, channel_axis), oracle.channel_arrays(x, channel_axis), strict=True):
        assert (got >= lo).all()
        assert (got <= hi).all()
        assert (got[values == values.min()] == lo).all()
        if values.min() < values.max():
            assert (got[values == values.max()] == hi).all()


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("feature_range", RANGES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_ends_and_everything_between(dtype, feature_range, shape, axis):
    x = random(shape, dtype)
    y = fastbn.minmax_scale(x, axis, feature_range=feature_range)
    assert_in_range(y, x, axis, feature_range)
    assert_rescaled(y, x, axis, feature_range=feature_range)


@given(st.data())
def test_fitted_data_never_leaves_the_range(data):
    dtype = data.draw(st.sampled_from(FLOATS))
    bits = 8 * np.dtype(dtype).itemsize
    finite = st.floats(allow_nan=False, allow_infinity=False, width=bits)
    x = data.draw(hnp.arrays(dtype, st.tuples(st.integers(1, 25), st.integers(1, 2)), elements=finite))
    end = st.floats(-6e4, 6e4) | st.sampled_from([0.0, 1.0, -1.0])
    lo, hi = sorted(data.draw(st.tuples(end, end)))
    assume(lo < hi)
    assert_in_range(fastbn.minmax_scale(x, feature_range=(lo, hi)), x, feature_range=(lo, hi))


@given(
    hnp.arrays(
        st.sampled_from([np.bool_, np.int8, np.uint16, np.int32, np.int64, np.uint64]),
        st.tuples(st.integers(1, 25), st.integers(1, 2)),
    )
)
def test_integers_of_any_size(x):
    y, stats = fastbn.minmax_scale(x, return_stats=True)
    assert_in_range(y, x)
    assert_rescaled(y, x)
    assert_unscaled(fastbn.minmax_unscale(y, stats), y, fitted=x)


def test_random_tables_of_twenty_rows():
    """In 7 to 10 % of such columns a folded formula leaves the range."""
    x = random((20, 2000))
    y = fastbn.minmax_scale(x)
    assert y.min(axis=0).tolist() == [0.0] * 2000
    assert y.max(axis=0).tolist() == [1.0] * 2000


def test_integers_are_never_rounded_first():
    x = 2**62 + np.arange(5).reshape(5, 1)
    assert fastbn.minmax_scale(x).ravel().tolist() == [0, 0.25, 0.5, 0.75, 1]
    x = np.array([[0], [2**63], [2**64 - 1]], np.uint64)
    assert fastbn.minmax_scale(x).ravel().tolist() == [0, 0.5, 1]
    x = np.array([[-(2**63)], [0], [2**63 - 1]])
    assert fastbn.minmax_scale(x).ravel().tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("feature_range", EXACT_IN_FLOAT16)
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_range_that_overflows(dtype, feature_range):
    largest = np.finfo(dtype).max
    x = np.array([-largest, -largest / 2, 0, 1, largest / 4, largest], dtype)[:, None]
    y, stats = fastbn.minmax_scale(x, feature_range=feature_range, return_stats=True)
    assert_in_range(y, x, feature_range=feature_range)
    assert_rescaled(y, x, feature_range=feature_range)
    back = fastbn.minmax_unscale(y, stats, feature_range=feature_range)
    assert np.isfinite(back).all()
    assert (back[[0, -1]] == x[[0, -1]]).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_range_of_the_smallest_numbers(dtype):
    x = (np.arange(5) * np.finfo(dtype).smallest_subnormal).astype(dtype)
    y, stats = fastbn.minmax_scale(x, None, return_stats=True)
    assert y.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert (fastbn.minmax_unscale(y, stats, None) == x).all()


@pytest.mark.parametrize(
    ("width", "lo", "hi"),
    [
        (2.0**-1000, 0.0, 1.0),
        (2.0**-1000, -1e300, 1e300),
        (2.0**-1060, -1e200, 1e200),
        (2.0**-950, 0.0, 1e250),
        (2.0**-600, -1e-300, 1e300),
        (2.0**600, 0.0, 2.0**-600),
        (1.5e308, -1.5e308, 1.7e308),
        (1.5e308, 0.0, 1e-200),
    ],
)
def test_widths_and_ranges_of_any_size(width, lo, hi):
    """Widths and slopes beyond float64 on the way, both ways."""
    x = np.array([0, 0.125, 0.25, 0.5, 0.75, 1])[:, None] * width
    y, stats = fastbn.minmax_scale(x, feature_range=(lo, hi), return_stats=True)
    assert_in_range(y, x, feature_range=(lo, hi))
    assert_rescaled(y, x, feature_range=(lo, hi))
    back = fastbn.minmax_unscale(y, stats, feature_range=(lo, hi))
    assert (back[[0, -1]] == x[[0, -1]]).all()
    assert np.isfinite(back).all()


@pytest.mark.parametrize("top", [1e-300, 1e306, 1.7e308])
@pytest.mark.parametrize("values", [[2047, 2048], [-1, 0], [0, 1], [2**60, 2**60 + 1], [-(2**63), 2**63 - 1]])
def test_integers_side_by_side_onto_any_range(values, top):
    """Their upper words may be equal, or 2048 apart."""
    x = np.array(values)[:, None]
    y, stats = fastbn.minmax_scale(x, feature_range=(-top, top), return_stats=True)
    assert y.ravel().tolist() == [-top, top]
    back = fastbn.minmax_unscale(y, stats, feature_range=(-top, top))
    assert back.ravel().tolist() == [float(v) for v in values]


@pytest.mark.parametrize("values", [[0, 5e-324], [0, 5e-324, 1e-323], [0, 2.0**-1050], [0, 2.0**-1040, 2.0**-1030]])
@pytest.mark.parametrize("top", [1e300, 1.7e308])
def test_a_slope_that_no_number_can_be(values, top):
    x = np.array(values)[:, None]
    y, stats = fastbn.minmax_scale(x, feature_range=(-top, top), return_stats=True)
    assert_in_range(y, x, feature_range=(-top, top))
    assert fastbn.minmax_unscale(y, stats, feature_range=(-top, top))[[0, -1], 0].tolist() == [values[0], values[-1]]
    wide = fastbn.channel_stats(np.array([[-top], [top]]))
    back = fastbn.minmax_unscale(x, wide, feature_range=(values[0], values[-1]))
    assert back[[0, -1], 0].tolist() == [-top, top]


def test_integers_by_statistics_of_floats():
    """A small negative integer is -2048 and the rest in two words."""
    fitted, x = np.array([[0.06613310941284278], [0.3531742264232314]]), np.array([[-4], [0], [5]])
    assert_rescaled(fastbn.minmax_scale(x, stats=fastbn.channel_stats(fitted)), x, fitted=fitted)


# --- statistics given -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("feature_range", RANGES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_data_outside_the_fitted_range(dtype, feature_range):
    train, test = random((30, 3), dtype), 3 * random((40, 3), dtype, seed=1)
    stats = fastbn.channel_stats(train)
    y, given_back = fastbn.minmax_scale(test, stats=stats, feature_range=feature_range, return_stats=True)
    assert given_back == stats
    assert_rescaled(y, test, fitted=train, feature_range=feature_range)
    lo, hi = (dtype(end) for end in feature_range)
    assert (y < lo).any()
    assert (y > hi).any()
    clipped = fastbn.minmax_scale(test, stats=stats, feature_range=feature_range, clip=True)
    assert clipped.tobytes() == np.clip(y, lo, hi).tobytes()


def test_own_statistics_given_change_nothing():
    x = random((300, 5, 4), np.float32)
    stats = fastbn.channel_stats(x)
    y, given_back = fastbn.minmax_scale(x, return_stats=True)
    assert given_back == stats
    assert y.tobytes() == fastbn.minmax_scale(x, stats=stats).tobytes()
    assert y.tobytes() == fastbn.minmax_scale(x, clip=True).tobytes()


def test_several_kept_axes():
    x = random((6, 2, 5, 3))
    stats = fastbn.channel_stats(x, (1, 3))
    for axis in ((1, 3), (-1, -3)):
        y = fastbn.minmax_scale(x, axis, stats=stats)
        assert_in_range(y, x, (1, 3))
        assert_rescaled(y, x, (1, 3))
        assert_unscaled(fastbn.minmax_unscale(y, stats, axis), y, (1, 3), fitted=x)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("inner", [(), (3,)])
def test_special_values_with_statistics_given(dtype, inner):
    stats = fastbn.channel_stats(random((70, 3)))
    x = np.array([np.nan, np.inf, -np.inf, 3], dtype).reshape(4, 1, *([1] * len(inner))) * np.ones(
        (1, 3, *inner), dtype
    )
    y = fastbn.minmax_scale(x, stats=stats, feature_range=(-1, 2))
    assert np.isnan(y[0]).all()
    assert (y[1] == np.inf).all()
    assert (y[2] == -np.inf).all()
    clipped = fastbn.minmax_scale(x, stats=stats, feature_range=(-1, 2), clip=True)
    assert np.isnan(clipped[0]).all()
    assert (clipped[1] == 2).all()
    assert (clipped[2] == -1).all()
    assert clipped[3].tobytes() == y[3].tobytes()
    back = fastbn.minmax_unscale(x, stats)
    assert np.isnan(back[0]).all()
    assert (back[1] == np.inf).all()
    assert (back[2] == -np.inf).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_values_in_the_fitted_data_stay_in_their_channel(special, dtype):
    x = random((70, 3), dtype)
    x[41, 1] = special
    y = fastbn.minmax_scale(x)
    assert not np.isfinite(y[41, 1])
    assert_in_range(y[:, [0, 2]], x[:, [0, 2]])
    assert_rescaled(y[:, [0, 2]], x[:, [0, 2]])
    if np.isnan(special):
        assert np.isnan(y[:, 1]).all()


# --- constants --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("feature_range", RANGES)
@pytest.mark.parametrize("value", [0.1, 0.0, -1e30, 5e-324, np.finfo(float).max])
@pytest.mark.parametrize("count", [1, 5, 5000])
def test_a_constant_channel_maps_to_lo_and_comes_back(count, value, feature_range):
    x = np.full((count, 2), value)
    y, stats = fastbn.minmax_scale(x, feature_range=feature_range, return_stats=True)
    assert (y == feature_range[0]).all()
    assert (fastbn.minmax_unscale(y, stats, feature_range=feature_range) == value).all()
    assert np.isnan(fastbn.minmax_scale(x, feature_range=feature_range, on_constant="nan")).all()


def test_constant_channels_are_refused_on_request_before_anything_is_written():
    x = random((50, 3))
    x[:, 1] = 0.1
    out, before = np.full_like(x, 7), x.tobytes()
    for target in (out, x):
        with pytest.raises(ValueError, match="constant"):
            fastbn.minmax_scale(x, on_constant="raise", out=target)
    assert (out == 7).all()
    assert x.tobytes() == before
    x[0, 1] = np.nextafter(0.1, 1)
    assert_in_range(fastbn.minmax_scale(x, on_constant="raise", out=out), x)


def test_other_values_in_a_channel_that_was_constant():
    stats = fastbn.channel_stats(np.full((5, 1), 3.0))
    x = np.array([[3.0], [4.0], [-1e300], [np.nan]])
    y = fastbn.minmax_scale(x, stats=stats, feature_range=(-1, 1))
    assert (y[:3] == -1).all()
    assert np.isnan(y[3])
    assert np.isnan(fastbn.minmax_scale(x, stats=stats, on_constant="nan")).all()


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (0, 3, 5), (2, 3, 0), (0, 0)])
def test_empty_arrays(shape):
    x = np.empty(shape, np.float32)
    y, stats = fastbn.minmax_scale(x, on_constant="raise", return_stats=True)
    assert y.shape == shape
    assert y.dtype == np.float32
    assert fastbn.minmax_unscale(x, stats).shape == shape
    assert fastbn.minmax_scale(x, out=x) is x


@pytest.mark.parametrize("given", [{"min": [0.0]}, {"max": [9.0]}])
def test_one_end_is_not_enough(given):
    stats = fastbn.ChannelStats.from_moments(2, [1.0], [1.0], **given)
    for function in (fastbn.minmax_scale, fastbn.minmax_unscale):
        with pytest.raises(ValueError, match="stats: got statistics without min and max"):
            function(np.array([[1.0], [2.0]]), stats=stats)


# --- the way back -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_unscale_against_the_exact_value(dtype, shape, axis):
    fitted, y = random(shape), np.random.default_rng(1).uniform(-0.5, 1.5, shape).astype(dtype)
    assert_unscaled(fastbn.minmax_unscale(y, fastbn.channel_stats(fitted, axis), axis), y, axis, fitted=fitted)


@pytest.mark.parametrize("feature_range", [(0, 1), (-1, 1), (0, 255), (0.25, 0.75)])
@pytest.mark.parametrize(("mean", "std"), [(0, 1), (280, 0.5), (35, 0.001), (5e6, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unscale_undoes_scale(dtype, mean, std, feature_range):
    """To 2 ulp of the data, and what the scaled values lost."""
    x = np.random.default_rng(0).normal(mean, std, (300, 2)).astype(dtype)
    y, stats = fastbn.minmax_scale(x, feature_range=feature_range, return_stats=True)
    back = fastbn.minmax_unscale(y, stats, feature_range=feature_range)
    width = Fraction(feature_range[1]) - Fraction(feature_range[0])
    lost = (oracle.ulp(max(map(abs, map(Fraction, feature_range))), dtype) + 5 * oracle.ulp(width)) / width
    for values, original in zip(back.T.tolist(), x.T.tolist(), strict=True):
        low, high = Fraction(min(original)), Fraction(max(original))
        bound = 2 * oracle.ulp(max(abs(low), abs(high)), dtype) + lost * (high - low)
        assert all(abs(Fraction(v) - Fraction(o)) <= bound for v, o in zip(values, original, strict=True))
        assert values[original.index(min(original))] == low
        assert values[original.index(max(original))] == high


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_a_channel_of_infinities_is_not_a_constant(value):
    """Its width is not 0 but unknown: NaN, whatever ``on_constant`` says."""
    x = np.full((3, 2), value)
    for on_constant in ("zero", "nan", "raise"):
        assert np.isnan(fastbn.minmax_scale(x, on_constant=on_constant)).all()

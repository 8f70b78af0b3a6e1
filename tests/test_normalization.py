"""zscore, normalize and denormalize: what they mean, and how exactly."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastbn
import oracle
from rational import assert_restored, assert_standardized

pytestmark = pytest.mark.usefixtures("backend")

# mean / std of temperature in kelvin, salinity, UTM northings, Unix time; the last one is for float64 alone
FAR_FROM_ZERO = [(280, 0.5), (35, 0.001), (5e6, 1), (1.7e9, 3600), (1e12, 1)]
SHAPES = [((3000, 3), 1), ((3, 3000), 0), ((9, 2, 30, 17), 1), ((9, 30, 17, 2), -1), ((5000,), None)]
CONSTANTS = [0.1, 1 / 3, 14.62, 0.0, -1e30, 1e-30]


def normal(shape, mean=0.0, std=1.0, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(mean, std, shape).astype(dtype)


def vectors(channels, seed=0):
    """A gamma and a beta."""
    rng = np.random.default_rng(seed)
    return rng.normal(1, 0.5, channels), rng.normal(0, 3, channels)


# --- accuracy ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize(
    ("dtype", "mean", "std"),
    [(np.float32, *pair) for pair in FAR_FROM_ZERO[:-1]] + [(np.float64, *pair) for pair in FAR_FROM_ZERO],
)
def test_output_is_right_to_the_last_bit(dtype, mean, std, shape, axis):
    x = normal(shape, mean, std, dtype)
    assert_standardized(fastbn.zscore(x, axis), x, axis)
    gamma, beta = vectors(oracle.kept_shape(x, axis))
    y = fastbn.normalize(x, fastbn.channel_stats(x, axis), axis, gamma=gamma, beta=beta, eps=0.25)
    assert_standardized(y, x, axis, gamma=gamma, beta=beta, eps=0.25)


@pytest.mark.parametrize(("mean", "std"), FAR_FROM_ZERO)
def test_float32_data_may_be_standardized_to_float64_and_the_other_way_round(mean, std):
    x = normal((500, 3), mean, std, np.float32)
    y = fastbn.zscore(x, dtype=np.float64)
    assert y.dtype == np.float64
    assert_standardized(y, x)
    x = normal((500, 3), mean, std)
    for narrow in (np.float32, np.float16):
        y = fastbn.zscore(x, dtype=narrow)
        assert y.dtype == narrow
        assert_standardized(y, x)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (np.int64, 2**63 - 1000, 2**63),
        (np.int64, -(2**63), -(2**63) + 5),
        (np.int64, -(2**63), 2**63),
        (np.int64, 2**53, 2**53 + 10),
        (np.int64, 2**53 - 2000, 2**53 + 2000),
        (np.int64, 2**60 - 9000, 2**60 + 9000),
        (np.uint64, 2**64 - 3, 2**64),
        (np.uint64, 2**63 - 4, 2**63 + 4),
        (np.uint32, 2**32 - 9, 2**32),
        (np.int32, -(2**31), 2**31),
        (np.uint16, 2**16 - 2, 2**16),
    ],
)
@pytest.mark.parametrize("axis", [1, 0])
def test_integers_are_never_rounded_first(dtype, low, high, axis):
    x = np.random.default_rng(low % 1000).integers(low, high, (70, 9), dtype)
    stats = fastbn.channel_stats(x, axis)
    y = fastbn.zscore(x, axis)
    assert_standardized(y, x, axis)
    assert_restored(fastbn.denormalize(y, stats, axis), y, axis, fitted=x)


@pytest.mark.parametrize("scale", [2.0**-480, 1e-100, 1e-30, 1e30, 1e100, 2.0**480])
@pytest.mark.parametrize("mean", [0.0, 1e6])
def test_scale_of_the_data_does_not_matter(scale, mean):
    x = normal((400, 3), mean) * scale
    y = fastbn.zscore(x)
    assert_standardized(y, x)
    assert_restored(fastbn.denormalize(y, fastbn.channel_stats(x)), y, fitted=x)


@given(
    hnp.arrays(
        st.sampled_from([np.float16, np.float32]),
        st.tuples(st.integers(1, 12), st.integers(1, 3)),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=16),
    ),
    st.integers(0, 1),
    st.sampled_from([0.0, 1e-5, 3.0]),
)
def test_any_data_any_ddof_any_eps(x, ddof, eps):
    assume(x.shape[0] > ddof)
    assert_standardized(fastbn.zscore(x, ddof=ddof, eps=eps), x, ddof=ddof, eps=eps)


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(2, 20), st.integers(1, 3)),
        elements=st.floats(-(2.0**126), 2.0**126, width=32),
    )
)
def test_any_exponents(x):
    """As long as the mean itself is within its contract: a condition of the sum up to 1e15."""
    assume(all(m.cond <= 10**15 for m in oracle.channel_moments(x)))
    assume(all(m.var() == 0 or m.var() > 2.0**-960 for m in oracle.channel_moments(x)))
    assert_standardized(fastbn.zscore(x), x)


@given(
    st.integers(-(2**40), 2**40), st.lists(st.integers(-1000, 1000), min_size=2, max_size=30), st.integers(-400, 400)
)
def test_lattices_of_any_place_and_step(place, steps, exponent):
    x = np.ldexp(np.array([place + step for step in steps], float), exponent)
    assert_standardized(fastbn.zscore(x, None), x, None)


# --- statistics given -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"ddof": 1}, {"eps": 1e-3}, {"dtype": np.float32}])
def test_zscore_is_normalize_with_its_own_statistics(options):
    train, test = normal((300, 5, 4), 7, 2), normal((9, 5, 4), 7, 2, seed=1)
    stats = fastbn.channel_stats(train)
    y, given_back = fastbn.zscore(train, return_stats=True, **options)
    assert given_back == stats
    assert y.tobytes() == fastbn.normalize(train, stats, **options).tobytes()
    y, given_back = fastbn.zscore(test, stats=stats, return_stats=True, **options)
    assert given_back == stats
    assert y.tobytes() == fastbn.normalize(test, stats, **options).tobytes()
    exact = {key: value for key, value in options.items() if key != "dtype"}
    assert_standardized(y, test, fitted=train, **exact)


def test_moments_of_other_people():
    x, mean, var = normal((50, 3), 100, 9), np.array([99.5, 100.25, 101.1]), np.array([80.0, 81.5, 0.3])
    stats = fastbn.ChannelStats.from_moments(np.full(3, 7), mean, var)
    moments = [(Fraction(m), Fraction(v)) for m, v in zip(mean.tolist(), var.tolist(), strict=True)]
    assert_standardized(fastbn.normalize(x, stats), x, moments=moments)


def test_statistics_of_parts_normalize_as_those_of_the_whole():
    x = normal((900, 4), 1.7e9, 3600)
    stats = sum(fastbn.channel_stats(part) for part in np.array_split(x, 7))
    assert_standardized(fastbn.normalize(x, stats), x)


def test_several_kept_axes_have_vectors_of_their_shape():
    x = normal((6, 2, 5, 3), 4, 2)
    gamma, beta = vectors((2, 3))
    stats = fastbn.channel_stats(x, (1, 3))
    for axis in ((1, 3), (3, 1), (-3, -1)):
        y = fastbn.normalize(x, stats, axis, gamma=gamma, beta=beta)
        assert_standardized(y, x, (1, 3), gamma=gamma, beta=beta)


@pytest.mark.parametrize("given_vectors", [("gamma",), ("beta",), ("gamma", "beta")])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_gamma_and_beta_each_alone_and_of_any_float(given_vectors, dtype):
    x = normal((40, 6), 5, 2, np.float32)
    options = {
        name: v.astype(dtype) for name, v in zip(("gamma", "beta"), vectors(6), strict=True) if name in given_vectors
    }
    assert_standardized(fastbn.normalize(x, fastbn.channel_stats(x), **options), x, **options)


def test_gamma_of_either_sign_and_zero():
    x, gamma, beta = normal((40, 3), 5, 2), np.array([-2.0, 0.0, 1.0]), np.array([0.5, 0.1, -3.0])
    y = fastbn.normalize(x, fastbn.channel_stats(x), gamma=gamma, beta=beta)
    assert_standardized(y, x, gamma=gamma, beta=beta)
    assert (y[:, 1] == 0.1).all()


# --- constants and special values -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 2, 7, 5000])
def test_constant_channels(dtype, count):
    row = np.array([c for c in CONSTANTS if abs(c) < float(np.finfo(dtype).max)], dtype)
    x = np.tile(row, (count, 1))
    stats = fastbn.channel_stats(x)
    gamma, beta = vectors(row.size)
    assert (fastbn.zscore(x) == 0).all()
    assert np.isnan(fastbn.zscore(x, on_constant="nan")).all()
    y = fastbn.normalize(x, stats, gamma=gamma, beta=beta)
    assert (y == beta.astype(dtype)).all()
    assert (fastbn.denormalize(y, stats, gamma=gamma, beta=beta) == x).all()
    assert (fastbn.denormalize(fastbn.zscore(x), stats) == x).all()
    with_eps = fastbn.normalize(x, stats, eps=1e-5, on_constant="raise")
    assert (with_eps == 0).all()
    assert (fastbn.denormalize(with_eps, stats, eps=1e-5) == x).all()


@pytest.mark.parametrize("name", ["zscore", "normalize"])
def test_a_constant_channel_does_not_touch_the_others(name):
    x = normal((50, 3), 5, 2, np.float32)
    x[:, 1] = 0.1
    options = {} if name == "zscore" else {"stats": fastbn.channel_stats(x)}
    zero, nan = (getattr(fastbn, name)(x, on_constant=choice, **options) for choice in ("zero", "nan"))
    assert_standardized(zero, x)
    assert np.isnan(nan[:, 1]).all()
    assert nan[:, [0, 2]].tobytes() == zero[:, [0, 2]].tobytes()
    out = np.full_like(x, 7)
    with pytest.raises(ValueError, match="constant"):
        getattr(fastbn, name)(x, on_constant="raise", out=out, **options)
    assert (out == 7).all()
    before = x.tobytes()
    with pytest.raises(ValueError, match="constant"):
        getattr(fastbn, name)(x, on_constant="raise", out=x, **options)
    assert x.tobytes() == before


def test_one_ulp_is_not_constant():
    x = np.full((1000, 2), 0.1)
    x[500, 1] = np.nextafter(0.1, 1)
    y = fastbn.zscore(x)
    assert_standardized(y, x)
    assert y[500, 1] > 31


@pytest.mark.parametrize("place", [1.0, 1e-100, -5e6, 0.0])
def test_a_spread_of_a_few_units_is_scaled(place):
    """No threshold says what is constant: 1e-13 of the value, or a range of 4e-16, is a spread."""
    rng = np.random.default_rng(0)
    x = np.stack([place + abs(place or 1e-3) * 1e-13 * rng.normal(size=500), np.full(500, place)], axis=1)
    y = fastbn.zscore(x)
    assert_standardized(y, x)
    assert y[:, 0].std() == pytest.approx(1, abs=1e-12)
    assert (y[:, 1] == 0).all()
    scaled = fastbn.minmax_scale(x[:, :1])
    assert (scaled.min(), scaled.max()) == (0.0, 1.0)


def test_other_values_in_a_channel_that_was_constant():
    stats = fastbn.channel_stats(np.full((5, 1), 3.0))
    x = np.array([[3.0], [4.0], [-1e300], [np.nan]])
    y = fastbn.normalize(x, stats)
    assert (y[:3] == 0).all()
    assert np.isnan(y[3])
    assert np.isnan(fastbn.normalize(x, stats, on_constant="nan")).all()


def test_more_degrees_of_freedom_than_values():
    assert np.isnan(fastbn.zscore(np.array([[1.0, 2.0]]), ddof=1)).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_values_in_the_fitted_data_stay_in_their_channel(special, dtype):
    x = normal((70, 3), 5, 2, dtype)
    x[41, 1] = special
    y = fastbn.zscore(x)
    assert np.isnan(y[:, 1]).all()
    assert_standardized(y, x)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("inner", [(), (3,)])
def test_special_values_with_statistics_given_follow_ieee(dtype, inner):
    stats = fastbn.channel_stats(normal((70, 3), 5, 2))
    x = normal((70, 3, *inner), 5, 2, dtype)
    x[0], x[1], x[2] = np.nan, np.inf, -np.inf
    y = fastbn.normalize(x, stats, gamma=np.array([1.0, -2.0, 0.0]), beta=np.ones(3))
    assert np.isnan(y[0]).all()
    assert (y[1, 0] == np.inf).all()
    assert (y[1, 1] == -np.inf).all()
    assert (y[2, 0] == -np.inf).all()
    assert (y[2, 1] == np.inf).all()
    assert np.isnan(y[1:3, 2]).all()
    assert np.isfinite(y[3:]).all()
    back = fastbn.denormalize(np.array([[np.nan] * 3, [np.inf] * 3, [-np.inf] * 3], dtype), stats)
    assert np.isnan(back[0]).all()
    assert (back[1] == np.inf).all()
    assert (back[2] == -np.inf).all()


def test_what_the_output_cannot_hold_is_infinite():
    stats = fastbn.ChannelStats.from_moments([2, 2], [0.0, 0.0], [1e-20, 1e-20])
    x = np.array([[1e35, -1e35]], np.float32)
    assert fastbn.normalize(x, stats).tolist() == [[np.inf, -np.inf]]
    assert fastbn.normalize(x[:, :], stats, dtype=np.float16).tolist() == [[np.inf, -np.inf]]
    assert fastbn.normalize(x * np.float64(1e265), stats).tolist() == [[np.inf, -np.inf]]


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (0, 3, 5), (2, 3, 0), (0, 0)])
def test_empty_arrays(shape):
    x = np.empty(shape, np.float32)
    y, stats = fastbn.zscore(x, on_constant="raise", return_stats=True)
    assert y.shape == shape
    assert y.dtype == np.float32
    assert (stats.count == 0).all()
    for function in (fastbn.normalize, fastbn.denormalize):
        assert function(x, stats).shape == shape
        assert function(x, stats, out=x) is x


# --- the way back -----------------------------------------------------------------------------------------------------


def assert_round_trip(x, dtype, **options):
    """2 ulp of max(|x|, |mean|), in the dtype of the values."""
    stats = fastbn.channel_stats(x)
    back = fastbn.denormalize(fastbn.normalize(x, stats, dtype=dtype, **options), stats, **options)
    assert back.dtype == dtype
    for values, original, mean in zip(back.T.tolist(), x.T.tolist(), oracle.mean(x).tolist(), strict=True):
        for value, want in zip(values, original, strict=True):
            bound = 2 * oracle.ulp(Fraction(max(abs(want), abs(mean))), dtype)
            assert abs(Fraction(value) - Fraction(want)) <= bound, (value, want, mean)


@pytest.mark.parametrize(("mean", "std"), [(0, 1), *FAR_FROM_ZERO])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_denormalize_undoes_normalize(dtype, mean, std):
    if mean > {np.float16: 1e3, np.float32: 1e10, np.float64: 1e15}[dtype]:
        mean, std = mean / 1e9, std / 1e9
    assert_round_trip(normal((400, 2), mean, std, dtype), dtype)
    assert_round_trip(normal((400, 2), mean, std, dtype), dtype, ddof=1, eps=0.01)


@given(
    hnp.arrays(st.sampled_from([np.float32, np.float64, np.int16, np.uint32]), (9, 2), elements=st.integers(0, 30000))
)
def test_denormalize_undoes_normalize_on_any_data(x):
    assert_round_trip(x, np.float32 if x.dtype in (np.float32, np.int16) else np.float64)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_denormalize_against_the_exact_value(dtype, shape, axis):
    fitted, y = normal(shape, 280, 0.5), normal(shape, 0, 2, dtype, seed=1)
    gamma, beta = vectors(oracle.kept_shape(y, axis))
    x = fastbn.denormalize(y, fastbn.channel_stats(fitted, axis), axis, gamma=gamma, beta=beta, ddof=1, eps=0.1)
    assert_restored(x, y, axis, fitted=fitted, gamma=gamma, beta=beta, ddof=1, eps=0.1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("base", [2**63 - 1600, -(2**62)])
def test_large_integers_that_differ_by_one(base, dtype):
    """Neither the values nor their mean fit one float64; the contract allows for a mean in two words."""
    x = np.full(4097, base, np.int64)
    x[7] += 1
    y = fastbn.zscore(x, None, dtype=dtype)
    # Of n values one is larger by 1: mean = base + 1/n, var = (n - 1)/n^2; here the z-scores are exact in binary.
    expected = np.array([-1 / 64, 64.0], dtype)
    allowed = np.spacing(abs(expected)) + 2.0**-104 * abs(base) * 4097 / 64
    assert (abs(np.array([y[0], y[7]], np.float64) - expected) <= allowed).all()
    assert np.unique(y).size == 2

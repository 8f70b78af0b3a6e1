"""The oracle against independent references: the standard library, NumPy's rounding, and numbers known by hand."""

import math
import statistics
from fractions import Fraction
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import oracle

FLOATS = (np.float16, np.float32, np.float64)
DTYPES = (*FLOATS, np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)

finite = st.floats(allow_nan=False, allow_infinity=False)
fractions = st.builds(
    lambda n, d, e: Fraction(n, d) * Fraction(2) ** e,
    st.integers(-(2**70), 2**70),
    st.integers(1, 2**70),
    st.integers(-1200, 1000),
)


def random_bits(dtype, size, seed=0):
    """Numbers of random bit patterns: every exponent alike, NaN and the infinities among them."""
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 256, size * np.dtype(dtype).itemsize, dtype=np.uint8)
    return raw % 2 == 1 if dtype is np.bool_ else raw.view(dtype)


@given(st.lists(finite, min_size=1, max_size=40))
def test_mean_rounds_the_exact_sum_of_the_standard_library(values):
    exact = sum(map(Fraction, values)) / len(values)
    assert oracle.moments(values).mean == exact
    assert oracle.rounded(exact) == statistics.mean(values)


@given(st.lists(finite, min_size=1, max_size=64))
def test_total_rounds_to_fsum(values):
    m = oracle.moments(values)
    try:
        expected = math.fsum(values)
    except OverflowError:  # a partial sum, or the sum itself, is out of range
        return
    assert oracle.rounded(m.total * m.unit) == expected


@given(st.lists(st.fractions(max_denominator=1), min_size=2, max_size=40))
def test_integers_agree_with_the_standard_library(values):
    numbers = [int(v) for v in values]
    m = oracle.moments(numbers)
    assert m.var(0) == statistics.pvariance(values)
    assert m.var(1) == statistics.variance(values)
    assert (m.low, m.high, m.count) == (min(numbers), max(numbers), len(numbers))


@given(st.lists(finite, min_size=2, max_size=40))
def test_variance_and_deviation_agree_with_the_standard_library(values):
    exact = [Fraction(v) for v in values]
    m = oracle.moments(values)
    assert m.var(1) == statistics.variance(exact)
    expected = statistics.stdev(exact) if m.var(1) < Fraction(2) ** 1023 else None  # statistics overflows above
    assert expected is None or oracle.rounded(m.std(1)) == expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [oracle.FEW + 1, oracle.PIECE + 3])
def test_vectorised_moments_equal_the_plain_ones(dtype, size):
    values = random_bits(dtype, size)
    plain, fast = oracle.moments(values.tolist()), oracle.moments(values)
    for name in ("count", "finite", "nan", "posinf", "neginf"):
        assert getattr(fast, name) == getattr(plain, name)
    for name, power in (("total", 1), ("magnitude", 1), ("squares", 2)):
        assert getattr(fast, name) * fast.unit**power == getattr(plain, name) * plain.unit**power
    assert repr((fast.low, fast.high)) == repr((plain.low, plain.high)) or dtype in FLOATS


@pytest.mark.parametrize("dtype", DTYPES)
def test_extremes_of_every_type(dtype):
    info = np.finfo(dtype) if dtype in FLOATS else None if dtype is np.bool_ else np.iinfo(dtype)
    low, high = (False, True) if info is None else (info.min.item() if info in FLOATS else info.min, info.max)
    for repeat in (1, oracle.FEW):
        values = np.array([low, high] * repeat, dtype=dtype)
        m = oracle.moments(values)
        assert m.mean == Fraction(int(values[0]) + int(values[1]), 2)
        assert m.var() == Fraction(int(values[1]) - int(values[0]), 2) ** 2


@given(hnp.arrays(np.float64, st.integers(1, 50), elements=finite), st.integers(1, 5), st.data())
def test_sums_add_and_repeat(values, times, data):
    cut = data.draw(st.integers(0, values.size))
    whole = oracle.moments(values)
    both = oracle.moments(values[:cut]) + oracle.moments(values[cut:])
    many = oracle.moments(np.tile(values, times))
    for a, b in ((whole, both), (whole.repeated(times), many)):
        assert (a.count, a.mean, a.var(), a.cond, a.low, a.high) == (b.count, b.mean, b.var(), b.cond, b.low, b.high)


@pytest.mark.parametrize("dtype", FLOATS)
@given(value=fractions)
def test_rounding_finds_the_nearest_neighbour(dtype, value):
    result = oracle.rounded(value, dtype)
    largest = np.finfo(dtype).max
    step = Fraction(float(largest)) - Fraction(float(np.nextafter(largest, dtype(0))))
    if math.isinf(result):
        assert abs(value) >= Fraction(float(largest)) + step / 2
        return
    assert float(dtype(result)) == result
    with np.errstate(over="ignore"):
        neighbours = [float(np.nextafter(dtype(result), dtype(end))) for end in (-np.inf, np.inf)]
    for other in neighbours:
        beyond = Fraction(float(largest)) + step  # what would follow the largest number
        exact = Fraction(other) if math.isfinite(other) else int(math.copysign(1, other)) * beyond
        assert abs(value - Fraction(result)) <= abs(value - exact)


@given(finite)
def test_rounding_agrees_with_the_conversions_of_numpy_and_python(value):
    exact = Fraction(value)
    assert oracle.rounded(exact) == value
    with np.errstate(over="ignore", under="ignore"):
        assert oracle.rounded(exact, np.float32) == float(np.float32(value))
        assert oracle.rounded(exact, np.float16) == float(np.float16(value))
    assert oracle.rounded(exact / 3) == value.as_integer_ratio()[0] / (3 * value.as_integer_ratio()[1])


@pytest.mark.parametrize("dtype", FLOATS)
def test_rounding_breaks_ties_to_even(dtype):
    step = Fraction(float(np.finfo(dtype).eps))
    assert oracle.rounded(1 + step / 2, dtype) == 1
    assert oracle.rounded(1 + 3 * step / 2, dtype) == 1 + 2 * step
    assert oracle.rounded(1 + step / 2 + Fraction(1, 2**200), dtype) == 1 + step
    assert oracle.rounded(Fraction(float(np.finfo(dtype).smallest_subnormal)) / 2, dtype) == 0


def test_float32_is_rounded_once():
    """1 + 2^-24 + 2^-60 lies above the middle of two float32 numbers, and on it once rounded to float64."""
    value = 1 + Fraction(1, 2**24) + Fraction(1, 2**60)
    assert oracle.rounded(value, np.float32) == 1 + 2.0**-23
    assert float(np.float32(float(value))) == 1


@given(st.integers(0, 2**300), st.integers(-1000, 300))
def test_square_roots(number, exponent):
    value = number * Fraction(2) ** exponent
    root = oracle.sticky_sqrt(value)
    below = root - Fraction(1, 1 << oracle.STICKY_BITS)
    assert root * root == value or below**2 < value < (root + Fraction(1, 1 << oracle.STICKY_BITS)) ** 2
    assert oracle.rounded(oracle.sticky_sqrt(Fraction(number) ** 2)) == oracle.rounded(Fraction(number))


@given(st.floats(0, allow_infinity=False))
def test_square_roots_agree_with_the_processor(value):
    assert oracle.rounded(oracle.sticky_sqrt(Fraction(value))) == math.sqrt(value)


def test_ulps_by_hand():
    assert oracle.ulps(1.0, Fraction(1)) == 0
    assert oracle.ulps(1.0, 1 + Fraction(1, 2**53)) == Fraction(1, 2)
    assert oracle.ulps(math.nextafter(1.0, 2.0), Fraction(1)) == 1
    assert oracle.ulps(0.0, Fraction(5e-324)) == 1
    assert oracle.ulps(np.float32(1) + np.finfo(np.float32).eps, Fraction(1), np.float32) == 1
    assert oracle.ulps(math.nan, math.nan) == 0
    assert oracle.ulps(math.inf, math.inf) == 0
    assert oracle.ulps(math.inf, Fraction(2) ** 1024) == 0
    assert oracle.ulps(math.inf, Fraction(1)) == math.inf
    assert oracle.ulps(math.nan, Fraction(1)) == math.inf
    assert oracle.ulps(1.0, math.nan) == math.inf
    assert oracle.ulps(math.inf, -math.inf) == math.inf


@given(finite)
def test_ulp_is_the_spacing(value):
    assert oracle.ulp(Fraction(value)) == Fraction(math.ulp(value))


def test_special_values_follow_ieee():
    nan, inf = math.nan, math.inf
    for repeat in (1, oracle.FEW):
        for values, expected in (
            ([1.0, inf], inf),
            ([1.0, -inf], -inf),
            ([inf, inf], inf),
            ([inf, -inf], nan),
            ([nan, inf], nan),
            ([nan, 1.0], nan),
        ):
            m = oracle.moments(np.array(values * repeat))
            assert repr(m.mean) == repr(expected)
            assert math.isnan(m.var())
            assert math.isnan(m.std())
    empty = oracle.moments([])
    assert math.isnan(empty.mean)
    assert math.isnan(empty.var())
    assert (empty.count, empty.low, empty.high) == (0, None, None)
    assert math.isnan(oracle.moments([1.0]).var(1))
    low_high = oracle.moments(np.array([-inf, 1.0, inf]))
    assert (low_high.low, low_high.high) == (-inf, inf)


def test_condition_number():
    assert oracle.moments([1.0, 2.0]).cond == 1
    assert oracle.moments([1.0, -3.0]).cond == 2
    assert oracle.moments([1.0, -1.0]).cond == math.inf
    assert oracle.moments([0.0]).cond == 1


@pytest.mark.parametrize("axis", [0, 1, 2, -1, (0, 2), (2, 0), (-1, 1), (0, 1, 2), None])
def test_channels_walk_the_kept_axes(axis):
    x = np.arange(24).reshape(2, 3, 4)
    axes = () if axis is None else tuple(sorted(a % 3 for a in np.atleast_1d(axis)))
    reduced = tuple(a for a in range(3) if a not in axes)
    found = list(oracle.channels(x, axis))
    assert oracle.kept_shape(x, axis) == tuple(x.shape[a] for a in axes)
    assert [sum(values) for values in found] == x.sum(axis=reduced).ravel().tolist()
    assert sorted(chain.from_iterable(found)) == list(range(24))
    np.testing.assert_array_equal(oracle.mean(x, axis), x.mean(axis=reduced))
    np.testing.assert_allclose(oracle.var(x, axis), x.var(axis=reduced), rtol=1e-14)
    np.testing.assert_allclose(oracle.std(x, axis, 0), x.std(axis=reduced), rtol=1e-14)


def test_channels_of_empty_and_of_foreign_arrays():
    assert list(oracle.channels(np.zeros((0, 2, 3)), 1)) == [[], []]
    assert list(oracle.channels(np.zeros((2, 0, 3)), 1)) == []
    assert list(oracle.channels(np.array([[1.5, 2.5]], dtype=">f4"), 1)) == [[1.5], [2.5]]


@given(hnp.arrays(np.float32, st.integers(1, 12), elements=st.floats(-1e6, 1e6, width=32)))
def test_standardize_agrees_with_plain_arithmetic(values):
    m = oracle.moments(values)
    if m.var() < 1e-3:
        return
    got = oracle.rounded_array(oracle.standardize(values.tolist(), m.mean, m.var(), eps=0.5, gamma=2.0, beta=-1.0))
    wide = values.astype(np.longdouble)
    deviation = wide - wide.mean()
    spread = np.sqrt((deviation * deviation).mean() + 0.5)
    np.testing.assert_allclose(got, (deviation / spread * 2 - 1).astype(np.float64), rtol=1e-12, atol=1e-12)


def test_standardize_by_hand():
    assert oracle.standardize([1.0, 3.0], 2.0, 1.0) == [-1, 1]
    assert oracle.standardize([1.0, 3.0], 2.0, 12.0, eps=4.0, gamma=8.0, beta=0.5) == [-1.5, 2.5]
    assert oracle.standardize([7.0, math.inf], 7.0, 0.0, beta=0.25) == [0.25, 0.25]
    special = oracle.standardize([math.nan, math.inf, -math.inf], 0.0, 1.0, gamma=-1.0)
    assert repr(special) == repr([math.nan, -math.inf, math.inf])
    assert all(math.isnan(v) for v in oracle.standardize([1.0, 2.0], math.nan, math.nan))
    third = oracle.standardize([1.0], 0.0, 9.0)[0]
    assert third == Fraction(1, 3) or abs(third - Fraction(1, 3)) < Fraction(1, 2**1000)
    assert oracle.rounded(third) == 1 / 3


def test_min_max_by_hand():
    assert oracle.min_max([1.0, 2.0, 4.0], 1.0, 4.0) == [0, Fraction(1, 3), 1]
    assert oracle.min_max([1.0, 2.0, 4.0], 1.0, 4.0, (-1.0, 2.0)) == [-1, 0, 2]
    assert oracle.min_max([5.0, 5.0], 5.0, 5.0, (0.25, 1.0)) == [0.25, 0.25]
    assert repr(oracle.min_max([math.nan, math.inf], 0.0, 1.0)) == repr([math.nan, math.inf])

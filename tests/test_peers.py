"""What users of other libraries suffered from: lost digits, constants, batches.

Each test says whose reports it answers. Cases that other files cover are not repeated. Missing data: test_peers_data.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle
from contract import assert_exact, assert_statistics
from generators import FLOATS
from rational import BATCH_NORM_EPS, assert_rescaled, assert_restored, assert_standardized

pytestmark = pytest.mark.usefixtures("backend")

# mean and std: temperature, pressure, salinity, northing, Unix time, magnetoencephalogram, large, small, a constant
QUANTITIES = [
    *[(280, 0.5), (101325, 100), (35, 1e-3), (5e6, 1), (1.7e9, 3600)],
    *[(2e-13, 1e-13), (1e30, 1e27), (1e-30, 1e-33), (14.62, 0)],
]
# From channels (C, n): the shape, and the axis that the channels then stand on.
ARRANGED = {
    "channels first": (lambda x: x.reshape(len(x), 4, -1).swapaxes(0, 1).copy(), 1),
    "channels last": (lambda x: x.T.reshape(4, -1, len(x)).copy(), -1),
    "table": (lambda x: x.T.copy(), 1),
}
arrangements = pytest.mark.parametrize(("arrange", "axis"), ARRANGED.values(), ids=ARRANGED)


@pytest.fixture
def threads():
    """Give a function that sets the number of threads; the old number comes back afterwards."""
    before = fastbn.get_num_threads()
    yield fastbn.set_num_threads
    fastbn.set_num_threads(before)


def normal(shape, mean=0.0, std=1.0, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(mean, std, shape).astype(dtype)


def rows(x, axis):
    return np.array(list(oracle.channel_arrays(x, axis)))


def assert_rounded(vector, exact, dtype):
    """Every number is within 1 ulp of its exact value."""
    assert vector.dtype == dtype
    for value, right in zip(vector.tolist(), exact, strict=True):
        assert oracle.ulps(value, right, dtype) <= 1, (value, oracle.rounded(right))


# --- precision --------------------------------------------------------------------------------------------------------


@arrangements
@pytest.mark.parametrize("dtype", FLOATS)
def test_quantities_of_every_size_side_by_side(dtype, arrange, axis):
    """Statistics and outputs: scikit-learn#12333, #19726 (1e-13 taken for constant), flox#422, torchvision#589.

    PyTorch on CPU is 5 sigma off in channels-last data of 5e6 / 1. Folding to ``a*x + b`` or rounding the mean to
    float32 costs 2e-5 to 4e-2 sigma; here the error is that of a float32 below 8, 2.4e-7, and no more.
    """
    largest = float(np.finfo(dtype).max)
    data = np.array([normal(8192, *pair, seed=i) for i, pair in enumerate(QUANTITIES) if pair[0] < largest])
    data = data.astype(dtype)
    x = arrange(data)
    y, stats = fastbn.zscore(x, axis, return_stats=True)
    assert_statistics(stats, oracle.channel_moments(data, 0), dtype)
    assert_standardized(y, x, axis)
    assert_standardized(fastbn.batch_norm(x, channel_axis=axis), x, axis, eps=BATCH_NORM_EPS)
    assert_rescaled(fastbn.minmax_scale(x, axis), x, axis)
    assert_restored(fastbn.denormalize(y, stats, axis), y, axis, fitted=x)
    if dtype == "float32":
        for values, got in zip(data.tolist(), rows(y, axis).tolist(), strict=True):
            exact = oracle.moments(values)
            spread = [*np.argsort(values)[::100].tolist(), values.index(max(values))]
            right = oracle.standardize([values[i] for i in spread], exact.mean, exact.var())
            assert max(abs(Fraction(got[i]) - z) for i, z in zip(spread, right, strict=True)) <= 2.6e-7


@pytest.mark.parametrize(("shape", "axis"), [((2**25,), None), ((10**7, 2), 1), ((2, 2**24 + 8), 0)])
@pytest.mark.parametrize("policy", ["propagate", "omit"])
def test_sums_do_not_stick_at_2_to_24(shape, axis, policy):
    """Float32 ones and a zero: numpy#22956 has 0.84 for ten million ones, bottleneck#462 0.5 for 2^25 of them."""
    x = np.ones(shape, np.float32)
    values = x if axis is None else np.moveaxis(x, axis, 0)
    values[..., -1] = 0
    missing = int(policy == "omit")
    if missing:
        values[..., 5] = math.nan
    stats = fastbn.channel_stats(x, axis, nan_policy=policy)
    exact = oracle.moments([1.0]).repeated(values.shape[-1] - 1 - missing) + oracle.moments([0.0])
    assert_statistics(stats, [exact] * stats.mean.size, x.dtype, missing=[missing] * stats.mean.size)


def test_a_million_rows_of_float32():
    """Temperatures from 250 to 320 K come out 6 % wrong in numpy#29772, the variance of 1e4 + N(0, 1) 18000."""
    x = np.stack([np.random.default_rng(1).uniform(250, 320, 2**20), normal(2**20, 1e4)], axis=1).astype(np.float32)
    assert_statistics(fastbn.channel_stats(x), oracle.channel_moments(x), x.dtype)


@arrangements
@pytest.mark.parametrize("method", ["compensated", "exact"])
def test_training_is_the_same_for_any_threads_and_layout(threads, method, arrange, axis):
    """Running means that change with the number of threads: pytorch#88718, #53691.

    Three channels of 5e6 + N(0, 1), 8192 values each. PyTorch's running variance of the channels-last ones is 9e3 times
    too large.
    """
    data = normal((3, 8192), 5e6, 1, np.float32)
    found = set()
    for number in (1, 2, 3):
        threads(number)
        mean, var = np.zeros(3, np.float32), np.ones(3, np.float32)
        y = fastbn.batch_norm(
            arrange(data), running_mean=mean, running_var=var, momentum=1, channel_axis=axis, method=method
        )
        found.add((rows(y, axis).tobytes(), mean.tobytes(), var.tobytes()))
    exact = oracle.channel_moments(data, 0)
    assert_rounded(mean, [m.mean for m in exact], np.float32)
    assert_rounded(var, [m.var(1) for m in exact], np.float32)
    assert len(found) == 1
    if method == "exact":
        assert found.pop()[0] == fastbn.batch_norm(data, channel_axis=0, method=method).tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(steps=st.lists(st.integers(-1000, 1000), min_size=2, max_size=50), shift=st.integers(-(2**20), 2**20))
def test_an_exact_constant_changes_the_mean_and_nothing_else(dtype, steps, shift):
    """xarray#7336, flox#422: the standard deviation of x + c is another one."""
    x = np.array(steps, dtype)
    plain, moved = (fastbn.channel_stats(v, None, method="exact") for v in (x, x + np.dtype(dtype).type(shift)))
    assert (moved.var().tobytes(), moved.std(1).tobytes()) == (plain.var().tobytes(), plain.std(1).tobytes())
    assert moved.mean == oracle.rounded(Fraction(sum(steps), len(steps)) + shift)
    whole = np.array(steps, np.int16)
    found = [fastbn.channel_stats(whole + np.int16(c), None).var().tobytes() for c in (0, 31_000, -31_000)]
    assert found == [np.float64(oracle.rounded(oracle.moments(steps).var())).tobytes()] * 3


def test_overflow_on_the_way_is_none_in_the_result():
    """Squares and sums that the dtype cannot hold: pytorch#178123, scikit-learn#5602; a running variance in float16."""
    x = normal((64, 2, 9), 0, 300, np.float16)  # variances of 9e4, above the largest float16
    mean, var = np.zeros(2, np.float16), np.ones(2, np.float16)
    y = fastbn.batch_norm(x, running_mean=mean, running_var=var)
    assert_standardized(y, x, eps=BATCH_NORM_EPS)
    tenth = Fraction(0.1)
    assert_rounded(mean, [tenth * m.mean for m in oracle.channel_moments(x)], np.float16)
    assert_rounded(var, [1 - tenth + tenth * m.var(1) for m in oracle.channel_moments(x)], np.float16)
    for dtype, size in (("float16", 6e4), ("float32", 3e38), ("float32", 1e30), ("float64", 1e150)):
        x = (np.random.default_rng(2).uniform(0.5, 1, (3000, 2)) * size).astype(dtype)
        assert_standardized(fastbn.zscore(x), x)
        assert_rescaled(fastbn.minmax_scale(x), x)


def test_a_variance_beyond_float64_is_infinite_and_harms_nothing_else():
    """Near 1e200 the mean, the ends and the exact standard deviation are numbers still (compare scikit-learn#5602)."""
    x = np.stack([normal(500, 3e200, 1e200), normal(500, 5, 2)], axis=1)
    exact = oracle.channel_moments(x)
    stats = fastbn.channel_stats(x)
    assert_statistics(stats, exact, x.dtype)
    assert stats.var()[0] == math.inf
    assert_exact(fastbn.channel_stats(x, method="exact"), exact, x.dtype)  # whose standard deviation is finite
    assert_rescaled(fastbn.minmax_scale(x), x)
    y = fastbn.zscore(x)
    assert_standardized(y[:, 1:], x[:, 1:])
    assert not (abs(y[:, 0]) > 0).any()  # no number rather than a wrong one


# --- constants --------------------------------------------------------------------------------------------------------


def test_no_length_makes_a_constant_of_data():
    """scikit-learn's bound grows with n: 38 s in 1e8 Unix times and 1.1 in 1e9 values near 5e6 count as constant."""
    for mean, std in ((1.7e9, 30), (5e6, 1)):
        row = normal(1000, mean, std)
        stats = fastbn.channel_stats(np.broadcast_to(row, (10**5, 1000)), None)
        exact = oracle.moments(row)
        assert_statistics(stats, [exact.repeated(10**5)], row.dtype)
        stats = sum([stats] * 10)
        assert stats.count == 10**9
        assert oracle.ulps(stats.var(), exact.var()) <= 2
        y = fastbn.normalize(row, stats, None, on_constant="raise")
        assert_standardized(y, row, None, moments=[(exact.mean, exact.var())])


@pytest.mark.parametrize("value", [14.62, 100, 1e30, 1e-30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_hundred_million_equal_values_are_constant(dtype, value):
    """Constants that scale to garbage (scikit-learn#17794) or to 8.5e-4 (pytorch#8283: 100 in a batch norm)."""
    x = np.broadcast_to(np.array(value, dtype), (25, 4, 10**6))
    stats = fastbn.channel_stats(x, None)
    assert (stats.count, stats.mean, stats.var(), stats.std(1)) == (10**8, x[0, 0, 0], 0, 0)
    mean, var = np.zeros(4), np.ones(4)
    few, beta = x[:2, :, :9999], np.array([0.1, 0, -3, 7])
    y = fastbn.batch_norm(few, beta=beta, running_mean=mean, running_var=var, momentum=1)
    assert (y == beta.astype(dtype)[:, np.newaxis]).all()
    assert (mean.tolist(), var.tolist()) == ([float(x[0, 0, 0])] * 4, [0] * 4)


SMALLEST = [(1, 2.0**-52), (0.5, 2.0**-53), (0, 1e-300), (0, 2.0**-1024)]


@pytest.mark.parametrize(
    ("start", "unit", "name"),
    [(*place, name) for place in SMALLEST for name in ("minmax_scale", "robust_scale")] + [(0, 5e-324, "minmax_scale")],
)
def test_the_smallest_ranges_are_ranges(start, unit, name):
    """scikit-learn does not scale a range below 2.2e-15, neither from end to end nor between quartiles."""
    y = getattr(fastbn, name)(start + unit * np.arange(5.0)[:, np.newaxis], on_constant="raise").ravel()
    exact = [0, 0.25, 0.5, 0.75, 1] if name == "minmax_scale" else [-1, -0.5, 0, 0.5, 1]
    np.testing.assert_allclose(y, exact, rtol=0, atol=2e-16)


# --- shapes and batches -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 4, 13, 64, 2000, 30_000, 70_000])
def test_any_number_of_channels(count):
    """Few and many, in every place of the channel axis; sizes over 65535 were not checked in cunn#298."""
    n = 4 * max(2, 15_000 // count)
    data = normal((count, n), 280, 0.5, np.float32)
    some = np.unique(np.linspace(0, count - 1, 40).astype(int))
    exact = oracle.channel_moments(data[some], 0)
    for arrange, axis in ARRANGED.values():
        x = arrange(data)
        y, stats = fastbn.zscore(x, axis, return_stats=True)
        assert_statistics(stats.select(some), exact, x.dtype)
        assert_standardized(rows(y, axis)[some], data[some], 0)


def test_more_samples_and_channels_than_a_grid_has_places():
    """90000 channels of single samples; cunn#298 failed over 65535."""
    x = normal((300, 300, 6), 280, 0.5, np.float32)
    some = np.s_[[*range(0, 90_000, 997), 65_535, 65_536, 89_999]]
    assert_standardized(fastbn.instance_norm(x).reshape(-1, 6)[some], x.reshape(-1, 6)[some], 0, eps=BATCH_NORM_EPS)


def test_shards_of_any_size_count_by_their_values():
    """Averages over shards forget their sizes: pytorch#22192, cleanrl#18, rsl_rl PR #226, speechbrain PR #2835."""
    sizes = [1, 5, 640, 0, 37, 2]
    shards = [normal((n, 3), 100 * i, 1 + i, seed=i) for i, n in enumerate(sizes)]
    x = np.concatenate(shards)
    exact = oracle.channel_moments(x)
    assert abs(np.mean([s.mean(axis=0) for s in shards if len(s)], axis=0) - x.mean(axis=0)).min() > 10
    for order in (shards, shards[::-1]):
        merged = sum(map(fastbn.channel_stats, order))
        assert_statistics(merged, exact, x.dtype, merged=True)
        assert_standardized(fastbn.normalize(x, merged), x)
        layer = fastbn.BatchNorm(3, dtype=np.float64)
        layer.recalibrate(order)
        assert layer.running_mean.tolist() == [oracle.rounded(m.mean) for m in exact]
        assert layer.running_var.tolist() == [oracle.rounded(m.var(1)) for m in exact]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("axis", [1, -1])
def test_images_of_bytes_by_given_means_and_deviations(axis, dtype):
    """No float copy, no division by 255 that rounds first, nothing that wraps (torchvision PR #1915, #8565)."""
    x = np.random.default_rng(6).integers(0, 256, (8, 3, 20, 20), np.uint8)
    mean, std = np.array([0.485, 0.456, 0.406]) * 255, np.array([0.229, 0.224, 0.225]) * 255
    stats = fastbn.ChannelStats.from_moments(10**6, mean, std * std)
    moments = [(Fraction(m), Fraction(v)) for m, v in zip(mean.tolist(), (std * std).tolist(), strict=True)]
    x = np.ascontiguousarray(np.moveaxis(x, 1, axis))
    y = fastbn.normalize(x, stats, axis, dtype=dtype)
    assert y.dtype == dtype
    assert_standardized(y, x, axis, moments=moments)
    np.testing.assert_array_equal(fastbn.denormalize(y, stats, axis, dtype=np.uint8), x)

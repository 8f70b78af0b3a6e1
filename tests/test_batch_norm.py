"""batch_norm: the formula, the running statistics, and agreement with PyTorch."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle
from rational import BATCH_NORM_EPS, assert_standardized

pytestmark = pytest.mark.usefixtures("backend")

# shape and channel axis: images, table, sequences, volumes, channels last, channels first, one channel
SHAPES = [
    ((8, 5, 14, 13), 1),
    ((300, 7), 1),
    ((6, 4, 50), 1),
    ((3, 4, 5, 6, 7), 1),
    ((8, 14, 13, 5), -1),
    ((5, 400), 0),
    ((2, 3), 1),
    ((40, 1, 9), 1),
    ((2, 3, 150, 150), 1),
    ((5, 150), 1),
]


def batch(shape, dtype=np.float32, mean=3.0, std=2.0, seed=0):
    return np.random.default_rng(seed).normal(mean, std, shape).astype(dtype)


def vectors(channels, dtype=np.float32, seed=1):
    """Make gamma, beta, running mean and running variance."""
    rng = np.random.default_rng(seed)
    gamma, beta, mean = rng.normal(1, 0.5, channels), rng.normal(size=channels), rng.normal(size=channels)
    return [v.astype(dtype) for v in (gamma, beta, mean, rng.uniform(0.5, 2, channels))]


def assert_updated(running_mean, running_var, old_mean, old_var, x, momentum, channel_axis=1):
    """``(1 - m) * old + m * batch`` with the unbiased variance: 1 ulp, and four roundings in float64 of either term."""
    m = Fraction(momentum)
    for i, exact in enumerate(oracle.channel_moments(x, channel_axis)):
        for new, old, value in ((running_mean, old_mean, exact.mean), (running_var, old_var, exact.var(1))):
            terms = (1 - m) * Fraction(old[i].item()), m * value
            bound = oracle.ulp(sum(terms), new.dtype) + 4 * oracle.ulp(max(map(abs, terms)))
            assert abs(Fraction(new[i].item()) - sum(terms)) <= bound


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_training_against_the_exact_value(dtype, shape, axis):
    x = batch(shape, dtype)
    gamma, beta, mean, var = vectors(shape[axis], np.float32 if dtype is np.float16 else dtype)
    old_mean, old_var = mean.copy(), var.copy()
    y = fastbn.batch_norm(x, gamma, beta, running_mean=mean, running_var=var, channel_axis=axis)
    assert y.dtype == dtype
    assert_standardized(y, x, axis, eps=BATCH_NORM_EPS, gamma=gamma, beta=beta)
    assert_updated(mean, var, old_mean, old_var, x, 0.1, axis)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_evaluation_against_the_exact_value(dtype, shape, axis):
    x = batch(shape, dtype)
    gamma, beta, mean, var = vectors(shape[axis], dtype)
    before = mean.tobytes(), var.tobytes()
    y = fastbn.batch_norm(
        x, gamma, beta, running_mean=mean, running_var=var, training=False, eps=1e-3, channel_axis=axis
    )
    moments = [(Fraction(m), Fraction(v)) for m, v in zip(mean.tolist(), var.tolist(), strict=True)]
    assert_standardized(y, x, axis, moments=moments, eps=1e-3, gamma=gamma, beta=beta)
    assert (mean.tobytes(), var.tobytes()) == before


@pytest.mark.parametrize(("mean", "std"), [(280, 0.5), (35, 0.001), (5e6, 1), (1.7e9, 3600)])
@pytest.mark.parametrize(("shape", "axis"), [((16, 3, 23, 23), 1), ((16, 23, 23, 3), -1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_data_far_from_zero(dtype, shape, axis, mean, std):
    x = batch(shape, dtype, mean, std)
    gamma, beta, *_ = vectors(3)
    running_mean, running_var = np.zeros(3), np.zeros(3)
    y = fastbn.batch_norm(
        x, gamma, beta, running_mean=running_mean, running_var=running_var, momentum=1, channel_axis=axis
    )
    assert_standardized(y, x, axis, eps=BATCH_NORM_EPS, gamma=gamma, beta=beta)
    stats = fastbn.channel_stats(x, axis)
    assert running_mean.tolist() == stats.mean.tolist()
    assert running_var.tolist() == stats.var(ddof=1).tolist()


# --- PyTorch ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0])
@pytest.mark.parametrize("shape", [shape for shape, axis in SHAPES if axis == 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_as_pytorch(dtype, shape, momentum, affine, training):
    torch = pytest.importorskip("torch")
    x, (gamma, beta, mean, var) = batch(shape, dtype, 0.5, 1.5), vectors(shape[1], dtype)
    theirs = [torch.tensor(v) for v in (x, mean, var, *((gamma, beta) if affine else ()))]
    expected = torch.nn.functional.batch_norm(*theirs, training=training, momentum=momentum, eps=1e-4)
    y = fastbn.batch_norm(
        x,
        *((gamma, beta) if affine else ()),
        running_mean=mean,
        running_var=var,
        training=training,
        momentum=momentum,
        eps=1e-4,
    )
    tolerance = 1e-5 if dtype is np.float32 else 1e-13  # their sums are plain
    np.testing.assert_allclose(y, expected.numpy(), rtol=0, atol=10 * tolerance)
    np.testing.assert_allclose(mean, theirs[1].numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(var, theirs[2].numpy(), rtol=tolerance)


# --- running statistics -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_momentum_zero_keeps_and_one_replaces(dtype):
    x = batch((50, 4), dtype)
    _, _, mean, var = vectors(4, dtype)
    before = mean.tobytes(), var.tobytes()
    fastbn.batch_norm(x, running_mean=mean, running_var=var, momentum=0)
    assert (mean.tobytes(), var.tobytes()) == before
    fastbn.batch_norm(x, running_mean=mean, running_var=var, momentum=1)
    stats = fastbn.channel_stats(x)
    assert mean.tobytes() == stats.mean.astype(dtype).tobytes()
    assert var.tobytes() == stats.var(ddof=1).astype(dtype).tobytes()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.integers(0, 1000))
def test_any_momentum(momenta, seed):
    mean, var = np.zeros(2), np.ones(2)
    for step, momentum in enumerate(momenta):
        x = batch((9, 2), np.float64, seed=seed + step)
        old_mean, old_var = mean.copy(), var.copy()
        fastbn.batch_norm(x, running_mean=mean, running_var=var, momentum=momentum)
        assert_updated(mean, var, old_mean, old_var, x, momentum)


def test_running_statistics_may_be_views_and_differ_in_dtype():
    x = batch((50, 4))
    table = np.zeros((4, 3), np.float64)
    single = np.ones(8, np.float32)
    fastbn.batch_norm(x, running_mean=table[:, 1], running_var=single[::-2])
    assert_updated(table[:, 1], single[::-2], np.zeros(4), np.ones(4, np.float32), x, 0.1)
    assert (table[:, [0, 2]] == 0).all()
    assert (single[::2] == 1).all()


def test_evaluation_reads_read_only_running_statistics():
    x, (_, _, mean, var) = batch((5, 4)), vectors(4)
    mean.flags.writeable = var.flags.writeable = False
    moments = [(Fraction(m), Fraction(v)) for m, v in zip(mean.tolist(), var.tolist(), strict=True)]
    y = fastbn.batch_norm(x, running_mean=mean, running_var=var, training=False)
    assert_standardized(y, x, moments=moments, eps=BATCH_NORM_EPS)


def test_one_value_per_channel_is_enough_for_evaluation():
    x, (_, _, mean, var) = batch((1, 4)), vectors(4)
    y = fastbn.batch_norm(x, running_mean=mean, running_var=var, training=False)
    moments = [(Fraction(m), Fraction(v)) for m, v in zip(mean.tolist(), var.tolist(), strict=True)]
    assert_standardized(y, x, moments=moments, eps=BATCH_NORM_EPS)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(0, 4), (0, 4, 3), (2, 4, 0), (0, 4, 0, 5)])
def test_an_empty_batch_leaves_the_running_statistics_alone(shape, training):
    _, _, mean, var = vectors(4)
    before = mean.tobytes(), var.tobytes()
    x = np.empty(shape, np.float32)
    y = fastbn.batch_norm(x, running_mean=mean, running_var=var, training=training)
    assert y.shape == shape
    assert y.dtype == np.float32
    assert (mean.tobytes(), var.tobytes()) == before


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_special_values_stay_in_their_channel(special):
    x, (_, _, mean, var) = batch((30, 4, 5)), vectors(4)
    old_mean, old_var = mean.copy(), var.copy()
    x[3, 2, 1] = special
    y = fastbn.batch_norm(x, running_mean=mean, running_var=var)
    assert np.isnan(y[:, 2]).all()
    assert not np.isfinite(mean[2])
    assert np.isnan(var[2])
    others = [0, 1, 3]
    assert_standardized(y[:, others], x[:, others], eps=BATCH_NORM_EPS)
    assert_updated(mean[others], var[others], old_mean[others], old_var[others], x[:, others], 0.1)


# --- the rest of the signature ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("given_vectors", [("gamma",), ("beta",)])
def test_gamma_and_beta_each_alone(given_vectors):
    x = batch((40, 6))
    options = {name: v for name, v in zip(("gamma", "beta"), vectors(6), strict=False) if name in given_vectors}
    assert_standardized(fastbn.batch_norm(x, **options), x, eps=BATCH_NORM_EPS, **options)


def test_statistics_come_back_on_request():
    x, (gamma, beta, mean, var) = batch((8, 5, 14, 13)), vectors(5)
    y, stats = fastbn.batch_norm(x, gamma, beta, running_mean=mean, running_var=var, return_stats=True)
    assert stats == fastbn.channel_stats(x)
    assert y.tobytes() == fastbn.normalize(x, stats, gamma=gamma, beta=beta, eps=BATCH_NORM_EPS).tobytes()


def test_several_channel_axes():
    x = batch((6, 2, 5, 3))
    gamma, beta, mean, var = vectors((2, 3))
    old_mean, old_var = mean.copy(), var.copy()
    y = fastbn.batch_norm(x, gamma, beta, running_mean=mean, running_var=var, channel_axis=(1, -1))
    assert_standardized(y, x, (1, 3), gamma=gamma, beta=beta, eps=BATCH_NORM_EPS)
    assert_updated(mean.ravel(), var.ravel(), old_mean.ravel(), old_var.ravel(), x, 0.1, (1, 3))


def test_constant_channels_give_beta():
    x, (gamma, beta, *_) = np.full((40, 6), 0.1, np.float32), vectors(6)
    assert (fastbn.batch_norm(x, gamma, beta) == beta).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.bool_])
def test_integers_give_floats(dtype):
    x = np.random.default_rng(0).integers(0, 2, (30, 3)).astype(dtype)
    y = fastbn.batch_norm(x)
    assert y.dtype == (np.float64 if dtype is np.int32 else np.float32)
    assert_standardized(y, x, eps=BATCH_NORM_EPS)


def test_in_place():
    x, (gamma, beta, *_) = batch((8, 5, 14, 13)), vectors(5)
    expected = fastbn.batch_norm(x, gamma, beta)
    assert fastbn.batch_norm(x, gamma, beta, out=x) is x
    assert x.tobytes() == expected.tobytes()


@pytest.mark.parametrize("gamma", [np.inf, -np.inf, 1e308])
def test_a_gamma_beyond_the_range_gives_infinities(gamma):
    x = np.array([[1.0], [2.0], [4.0]], np.float32)
    y = fastbn.batch_norm(x, gamma=[gamma])
    assert y.ravel().tolist() == [-np.sign(gamma) * np.inf, -np.sign(gamma) * np.inf, np.sign(gamma) * np.inf]


@pytest.mark.parametrize("name", ["running_mean", "running_var"])
def test_running_statistics_that_have_no_place_of_their_own_for_each_channel(name):
    x = np.random.default_rng(0).random((4, 5))
    running = {"running_mean": np.zeros(5), "running_var": np.ones(5)}
    one = np.full(1, 3.0)
    for bad, error in (
        (np.lib.stride_tricks.as_strided(one, (5,), (0,)), ValueError),
        (np.ma.masked_array(np.full(5, 3.0)), TypeError),
    ):
        with pytest.raises(error, match=name):
            fastbn.batch_norm(x, **(running | {name: bad}))
    assert one[0] == 3.0
    assert running["running_mean"].tolist() == [0.0] * 5
    assert running["running_var"].tolist() == [1.0] * 5

"""Gradients of batch normalization: exact rational arithmetic, finite differences, every layout, PyTorch."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import fastbn
import oracle
from layouts import LAYOUTS

pytestmark = pytest.mark.usefixtures("backend")

FLOATS = ("float16", "float32", "float64")


def exact_gradients(dy, x, stats, gamma, eps):
    """dx, dgamma and dbeta of one channel as fractions, from the formula; the root to 1100 bits."""
    dy, x = ([Fraction(v) for v in values] for values in (dy, x))
    mean, std = Fraction(stats.mean), oracle.sticky_sqrt(Fraction(stats.var) + Fraction(eps))
    xhat = [(v - mean) / std for v in x]
    dbeta, dgamma = sum(dy), sum(a * b for a, b in zip(dy, xhat, strict=True))
    factor = Fraction(gamma) / std / len(x)
    dx = [factor * (len(x) * a - dbeta - b * dgamma) for a, b in zip(dy, xhat, strict=True)]
    return dx, dgamma, dbeta


class Exactly:
    """Mean and variance of a channel, exact."""

    def __init__(self, values):
        moments = oracle.moments(values)
        self.mean, self.var = moments.mean, moments.var(0)


@example("float16", [(0, 0), (4, 1)], 0.5, 1e-5)
@given(
    st.sampled_from(FLOATS),
    st.lists(st.tuples(st.integers(-40, 40), st.integers(-40, 40)), min_size=2, max_size=12),
    st.sampled_from([0.5, -3.0, 1.0]),
    st.sampled_from([1e-5, 1e-3, 0.25]),
)
def test_formula_in_rational_arithmetic(dtype, pairs, gamma, eps):
    x, dy = (np.array(column, dtype) / 8 for column in zip(*pairs, strict=True))
    _, stats = fastbn.batch_norm(x[:, None], np.array([gamma]), eps=eps, return_stats=True)
    found = fastbn.batch_norm_backward(dy[:, None], x[:, None], stats, np.array([gamma]), eps=eps)
    dx, dgamma, dbeta = exact_gradients(dy.tolist(), x.tolist(), Exactly(x), gamma, eps)
    assert found.dx.dtype == dtype
    assert oracle.ulps(found.dbeta[0], dbeta) <= 1
    size = sum(abs(Fraction(a)) * abs(b) for a, b in zip(dy.tolist(), x.tolist(), strict=True)) + 1
    assert abs(Fraction(float(found.dgamma[0])) - dgamma) <= size / 2**50
    terms = max(abs(Fraction(v)) for v in dy.tolist()) * abs(Fraction(gamma)) * 400
    info = np.finfo(dtype)
    slack = terms / 2**49 + Fraction(float(info.smallest_subnormal))
    for value, right in zip(found.dx[:, 0].tolist(), dx, strict=True):
        assert abs(Fraction(value) - right) <= abs(right) * Fraction(float(info.eps)) + slack


@pytest.mark.parametrize("training", [True, False])
def test_finite_differences(training):
    """A central difference of a random linear function of the output, in every input."""
    rng = np.random.default_rng(1)
    x, gamma, beta, weights = rng.normal(2, 3, (4, 3, 5)), *rng.normal(size=(2, 3)), rng.normal(size=(4, 3, 5))
    mean, var = rng.normal(size=3), rng.uniform(1, 2, 3)

    def loss(x, gamma, beta):
        running = {} if training else {"running_mean": mean, "running_var": var}
        return (fastbn.batch_norm(x, gamma, beta, training=training, **running) * weights).sum()

    running = {} if training else {"running_mean": mean, "running_var": var}
    _, stats = fastbn.batch_norm(x, gamma, beta, training=training, return_stats=True, **running)
    found = fastbn.batch_norm_backward(weights, x, stats, gamma, training=training)
    for k, gradient in enumerate(found):
        arguments = [x, gamma, beta]
        for index in np.ndindex(arguments[k].shape):
            values = []
            for step in (1e-5, -1e-5):
                moved = [array.copy() for array in arguments]
                moved[k][index] += step
                values.append(loss(*moved))
            assert (values[0] - values[1]) / 2e-5 == pytest.approx(gradient[index], rel=1e-6, abs=1e-7)


def reference(dy, x, gamma, axis, eps=1e-5):
    """The formula in long double."""
    axes = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
    x, dy = x.astype(np.longdouble), dy.astype(np.longdouble)
    shape = [1] * x.ndim
    shape[axis] = -1
    n = x.size // x.shape[axis]
    centred = x - x.mean(axis=axes, keepdims=True)
    inverse = 1 / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + eps)
    xhat = centred * inverse
    dbeta, dgamma = dy.sum(axis=axes, keepdims=True), (dy * xhat).sum(axis=axes, keepdims=True)
    return gamma.reshape(shape) * inverse * (dy - dbeta / n - xhat * dgamma / n), dgamma.ravel(), dbeta.ravel()


def assert_close(found, expected):
    eps = np.finfo(found.dx.dtype).eps
    for value, right, unit in zip(found, expected, (eps, 1e-14, 1e-14), strict=True):
        assert value.shape == right.shape
        assert abs(value - right).max() <= unit * abs(right).max()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layouts(dtype, layout):
    rng = np.random.default_rng(2)
    data, gradients = rng.normal(3, 2, (2, 2, 12320)).astype(dtype)
    arranged, arranged_dy = LAYOUTS[layout](data), LAYOUTS[layout](gradients)
    x, axis = arranged.x, arranged.axis
    _, stats = fastbn.batch_norm(x, channel_axis=axis, return_stats=True)
    dy = arranged_dy.x
    found = fastbn.batch_norm_backward(dy, x, stats, channel_axis=axis)
    kept = oracle.kept_axes(x, axis)
    front = [np.moveaxis(a, kept, range(len(kept))).reshape(stats.count.size, -1) for a in (dy, x, found.dx)]
    expected = reference(front[0], front[1], np.ones(stats.count.size), 0)
    flat = fastbn.BatchNormGradients(front[2], found.dgamma.ravel(), found.dbeta.ravel())
    assert_close(flat, expected)


@pytest.mark.parametrize(
    "shape", [(50, 3), (7, 4, 6), (3, 5, 40, 41), (4, 3, 20000), (70000, 6), (2, 300, 7, 7), (1, 2, 3)]
)
@pytest.mark.parametrize(
    ("dtype", "of_dy"),
    [
        ("float16", "float16"),
        ("float32", "float64"),
        ("uint8", "float32"),
        ("int64", "float64"),
        ("bool", "float16"),
        ("float64", "float32"),
    ],
)
def test_dtypes_and_shapes(shape, dtype, of_dy):
    rng = np.random.default_rng(3)
    x = rng.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)
    dy, gamma = rng.normal(size=shape).astype(of_dy), rng.normal(size=shape[1])
    _, stats = fastbn.batch_norm(x, gamma, return_stats=True)
    found = fastbn.batch_norm_backward(dy, x, stats, gamma)
    assert found.dx.dtype == of_dy
    assert_close(found, reference(dy, x, gamma, 1))


@pytest.mark.parametrize("shape", [(8, 64, 56, 56), (60000, 7), (3, 250000)])
def test_any_number_of_threads(shape):
    rng = np.random.default_rng(4)
    x, dy = rng.normal(size=(2, *shape)).astype(np.float32)
    _, stats = fastbn.batch_norm(x, return_stats=True)
    before, found = fastbn.get_num_threads(), set()
    try:
        for threads in (1, 2, 3, 7):
            fastbn.set_num_threads(threads)
            found.add(b"".join(part.tobytes() for part in fastbn.batch_norm_backward(dy, x, stats)))
    finally:
        fastbn.set_num_threads(before)
    assert len(found) == 1


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(8, 3, 50, 50), (4000, 5)])
def test_output_may_be_x_or_dy(shape, training):
    rng = np.random.default_rng(5)
    x, dy = rng.normal(size=(2, *shape)).astype(np.float32)
    _, stats = fastbn.batch_norm(x, return_stats=True)
    expected = fastbn.batch_norm_backward(dy, x, stats, training=training)
    for which in (0, 1):
        arrays = [dy.copy(), x.copy()]
        found = fastbn.batch_norm_backward(*arrays, stats, training=training, out=arrays[which])
        assert found.dx is arrays[which]
        assert found.dx.tobytes() == expected.dx.tobytes()
        assert found.dgamma.tobytes() == expected.dgamma.tobytes()


def test_evaluation_does_not_look_at_x_for_dx():
    x, dy = np.array([[np.inf], [np.nan], [1.0]]), np.array([[1.0], [2.0], [3.0]])
    stats = fastbn.ChannelStats.from_moments(1, [0.0], [3.0])
    found = fastbn.batch_norm_backward(dy, x, stats, np.array([2.0]), eps=1.0, training=False)
    assert found.dx.ravel().tolist() == [1, 2, 3]
    assert found.dbeta.tolist() == [6]
    assert np.isnan(found.dgamma).all()


def test_a_channel_with_nan_leaves_the_others_alone():
    rng = np.random.default_rng(6)
    x, dy = rng.normal(size=(2, 30, 3))
    _, stats = fastbn.batch_norm(x, return_stats=True)
    clean = fastbn.batch_norm_backward(dy, x, stats)
    x[4, 1] = np.nan
    _, stats = fastbn.batch_norm(x, return_stats=True)
    found = fastbn.batch_norm_backward(dy, x, stats)
    assert found.dx[:, ::2].tobytes() == clean.dx[:, ::2].tobytes()
    assert np.isnan(found.dx[:, 1]).all()


def test_nothing():
    x = np.empty((0, 3), np.float32)
    _, stats = fastbn.batch_norm(x, return_stats=True)
    found = fastbn.batch_norm_backward(x, x, stats)
    assert found.dx.shape == (0, 3)
    assert found.dgamma.tolist() == found.dbeta.tolist() == [0, 0, 0]


@pytest.mark.parametrize("shape", [(16, 5), (4, 5, 9), (4, 5, 9, 8), (2, 5, 3, 4, 5)])
@pytest.mark.parametrize("training", [True, False])
def test_same_as_pytorch(shape, training):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(7)
    x, dy = rng.normal(2, 3, (2, *shape)).astype(np.float32)
    gamma, beta, mean = rng.normal(size=(3, 5)).astype(np.float32)
    var = rng.uniform(1, 2, 5).astype(np.float32)
    t, w, b = (torch.from_numpy(a.copy()).requires_grad_() for a in (x, gamma, beta))
    running = torch.from_numpy(mean.copy()), torch.from_numpy(var.copy())
    torch.nn.functional.batch_norm(t, *running, w, b, training=training).backward(torch.from_numpy(dy))
    _, stats = fastbn.batch_norm(
        x, gamma, beta, running_mean=mean, running_var=var, training=training, return_stats=True
    )
    found = fastbn.batch_norm_backward(dy, x, stats, gamma, training=training)
    for value, theirs in zip(found, (t, w, b), strict=True):
        np.testing.assert_allclose(value, theirs.grad.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"dy": np.ones((4, 2))}, ValueError, "dy: got shape"),
        ({"dy": np.ones((4, 3), int)}, TypeError, "dy: got dtype int64"),
        ({"x": np.ones((4, 3), complex)}, TypeError, "x: got dtype complex128"),
        ({"stats": None}, TypeError, "stats: got NoneType"),
        ({"stats": fastbn.ChannelStats.empty(2)}, ValueError, "stats: got statistics of channel shape"),
        ({"gamma": np.ones(2)}, ValueError, "gamma: got shape"),
        ({"eps": -1.0}, ValueError, "eps: got -1.0"),
        ({"channel_axis": 2}, ValueError, "channel_axis: got 2"),
        ({"out": np.ones((4, 2))}, ValueError, "out: got shape"),
        ({"out": np.ones((4, 3), np.float32)}, ValueError, "out: got dtype float32"),
        ({"out": [1]}, TypeError, "out: got list"),
    ],
)
def test_errors(change, error, says):
    arguments = {"dy": np.ones((4, 3)), "x": np.ones((4, 3)), "stats": fastbn.channel_stats(np.ones((4, 3)))} | change
    with pytest.raises(error, match=says):
        fastbn.batch_norm_backward(**arguments)


def test_output_that_overlaps():
    memory = np.zeros(40)
    x, dy, out = memory[:12].reshape(4, 3), memory[12:24].reshape(4, 3), memory[6:18].reshape(4, 3)
    stats = fastbn.channel_stats(x)
    for arguments, says in (((dy, x), "dy"), ((x, dy), "dy"), ((np.ones((4, 3)), x), "x")):
        with pytest.raises(ValueError, match=f"out: got an array that overlaps {says}; wants"):
            fastbn.batch_norm_backward(*arguments, stats, out=out)
    assert not memory.any()


def sum_of_products(dy, x, mean):
    """``sum(dy)`` and ``sum(dy (x - mean))`` as fractions, and the sum of the sizes of the products."""
    dy, x = ([Fraction(v) for v in values.ravel().tolist()] for values in (dy, x))
    products = [a * (b - Fraction(float(mean))) for a, b in zip(dy, x, strict=True)]
    return sum(dy), sum(products), sum(map(abs, products))


def hostile(kind, dtype, n):
    rng = np.random.default_rng(n)
    x, dy = rng.standard_normal((2, n))
    if kind == "equal runs":
        x[:], dy[: n // 2], dy[n // 2 :] = 0.716, 0.137, -0.137
        x[::3] = 0.313
        dy[-1] *= 1 + 2e-13
    elif kind == "small beside large":
        x[1], x[2:] = 1e9, np.ldexp(x[2:], -20)
    elif kind == "large apart":
        x[0], x[1], dy[0], dy[1] = 1e15, -1e15, 0, 0
        dy[2], dy[3], x[2], x[3] = 1e15, -1e15, 0, 0
    elif kind == "cancelling dy":
        dy[n // 2 :] = -dy[: n - n // 2]
        dy[5], dy[7] = 2.0**46, -(2.0**46)
    elif kind == "offset":
        x += 1e6
    elif kind == "wide":
        x, dy = np.ldexp(x, rng.integers(-60, 60, n)), np.ldexp(dy, rng.integers(-60, 60, n))
    elif kind == "cancelling products":
        x[n // 2 :], dy[n // 2 :] = x[: n - n // 2], -dy[: n - n // 2]
        dy[0] += 2.0**-20
    return x.astype(dtype), dy.astype(dtype)


@pytest.mark.parametrize(
    "kind",
    ["equal runs", "small beside large", "large apart", "cancelling dy", "offset", "wide", "cancelling products"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [10, 200, 1000, 40000])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("far", [False, True])
def test_sums_are_compensated(kind, dtype, n, axis, far):
    """One rounding of the result, and for what cancels the square of the unit of roundoff, times 257^2 for float32."""
    x, dy = hostile(kind, dtype, n)
    mean = 1e3 if far else float(x.astype(float).mean())
    stats = fastbn.ChannelStats.from_moments(n, [mean], [1.0])
    arranged = [a[None] if axis == 0 else a[:, None] for a in (dy, x)]
    found = fastbn.batch_norm_backward(*arranged, stats, eps=0.0, channel_axis=axis)
    dbeta, dgamma, sizes = sum_of_products(dy, x, mean)
    unit = Fraction(1, 2**53)
    offset = sum(map(abs, map(Fraction, dy.tolist()))) * (abs(Fraction(mean)) + 1)
    terms = 2 if dtype == "float64" else 257**2  # lanes of float32 have two words
    lost = terms * unit**2
    assert abs(Fraction(float(found.dbeta[0])) - dbeta) <= 2 * unit * abs(dbeta) + lost * offset
    assert abs(Fraction(float(found.dgamma[0])) - dgamma) <= 2 * unit * abs(dgamma) + lost * (sizes + offset)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize("axis", [0, 1])
def test_large_integers_that_differ_little(dtype, axis):
    x = 2**62 + np.array([[0, 1, 3, 8], [5, 5, 6, 9]], dtype)
    dy = np.array([[1.0, 2, 4, -3], [0, 1, 2, 7]])
    x, dy = (x, dy) if axis == 0 else (x.T, dy.T)
    _, stats = fastbn.batch_norm(x, channel_axis=axis, return_stats=True)
    _, small = fastbn.batch_norm((x - x.dtype.type(2**62)).astype(float), channel_axis=axis, return_stats=True)
    found = fastbn.batch_norm_backward(dy, x, stats, channel_axis=axis)
    right = fastbn.batch_norm_backward(dy, (x - x.dtype.type(2**62)).astype(float), small, channel_axis=axis)
    for value, expected in zip(found, right, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize("offset", [0, 2**52 + 1, 2**62 + 3])
def test_products_of_large_integers_may_cancel(dtype, offset):
    """The differences from a mean that is no whole number are not rounded."""
    rng = np.random.default_rng(2)
    x, dy = rng.integers(0, 1000, (1000, 1)), 1 + 1e-6 * rng.standard_normal((1000, 1))
    x = x.astype(dtype) + np.array(offset, dtype)
    stats = fastbn.channel_stats(x)
    found = fastbn.batch_norm_backward(dy, x, stats, eps=0.0).dgamma[0]
    mean = Fraction(sum(x.ravel().tolist()), 1000)
    var = sum((v - mean) ** 2 for v in x.ravel().tolist()) / 1000
    exact = sum(Fraction(d) * (v - mean) for d, v in zip(dy.ravel().tolist(), x.ravel().tolist(), strict=True))
    assert float(found) == pytest.approx(float(exact) / math.sqrt(var), rel=1e-15)


def test_a_given_mean_may_be_infinite():
    x = np.arange(4).reshape(4, 1)
    stats = fastbn.ChannelStats.from_moments(4, [np.inf], [1.0])
    assert not np.isfinite(fastbn.batch_norm_backward(np.ones((4, 1)), x, stats).dgamma).any()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_x_of_half_the_size_of_dy(dtype):
    """The same numbers in another dtype have the same gradients."""
    x, dy = np.random.default_rng(3).normal(5, 1, (2, 300, 3)).astype(np.float16)
    stats, dy = fastbn.channel_stats(x), dy.astype(np.float32)
    for value, expected in zip(
        fastbn.batch_norm_backward(dy, x.astype(dtype), stats),
        fastbn.batch_norm_backward(dy.astype(float), x.astype(float), stats),
        strict=True,
    ):
        np.testing.assert_allclose(value, expected, rtol=1e-6 if value.dtype == np.float32 else 1e-14, atol=1e-7)


def test_an_infinite_gradient_has_an_infinite_sum():
    x = np.array([[1.0], [2.0], [6.0]])
    found = fastbn.batch_norm_backward(np.array([[np.inf], [1.0], [2.0]]), x, fastbn.channel_stats(x))
    assert found.dbeta.tolist() == [np.inf]
    assert np.isnan(found.dgamma).all()

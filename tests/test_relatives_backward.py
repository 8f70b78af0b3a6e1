"""Gradients of instance, group and layer normalization: rational arithmetic, the formula in long double, PyTorch."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle

pytestmark = pytest.mark.usefixtures("backend")

SHAPES = [(4, 6, 5), (3, 6, 7, 8), (2, 6, 3, 4, 5), (2, 6, 700), (5, 6, 20, 30), (40, 6, 2)]
LAYERS = [((9, 40), -1), ((4, 5, 300), 2), ((3, 4, 5), (1, 2)), ((30, 7, 5), 0), ((8,), 0), ((4, 3, 6, 5), (1, -1))]
DTYPES = ["float64", "float32", "float16"]


def sample(shape, dtype="float64", seed=0):
    return np.random.default_rng(seed).normal(1, 2, (2, *shape)).astype(dtype)


def reference(dy, x, gamma, together, parameters, eps=1e-5):
    """dx, dgamma, dbeta by the formula in long double, and the size of the terms of dx, which may cancel.

    Statistics are over the axes ``together``; gamma and beta have the axes ``parameters``.
    """
    x, dy = x.astype(np.longdouble), dy.astype(np.longdouble)
    centred = x - x.mean(axis=together, keepdims=True)
    root = np.sqrt((centred**2).mean(axis=together, keepdims=True) + eps)
    xhat, scaled = centred / root, dy * gamma
    means = (part.mean(axis=together, keepdims=True) for part in (scaled, scaled * xhat))
    first, second = means
    others = tuple(a for a in range(x.ndim) if a not in parameters)
    gradients = (scaled - first - xhat * second) / root, (dy * xhat).sum(axis=others), dy.sum(axis=others)
    return *gradients, abs(scaled / root).max()


def assert_close(found, expected, shape):
    dx, dgamma, dbeta, terms = expected
    eps = np.finfo(found.dx.dtype).eps
    assert abs(found.dx - dx.reshape(found.dx.shape)).max() <= eps * terms
    for value, right in ((found.dgamma, dgamma), (found.dbeta, dbeta)):
        assert value.dtype == np.float64
        assert value.shape == shape
        np.testing.assert_allclose(value, right.reshape(shape), rtol=0, atol=1e-14 * (1 + abs(right).max()))


def grouped(x, groups):
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("dtype", DTYPES)
def test_group_norm(shape, groups, dtype):
    dy, x = sample(shape, dtype)
    gamma = np.random.default_rng(1).normal(size=6)
    along = gamma.reshape(groups, -1, *[1] * (x.ndim - 2))
    expected = reference(grouped(dy, groups), grouped(x, groups), along, tuple(range(2, x.ndim + 1)), (1, 2))
    assert_close(fastbn.group_norm_backward(dy, x, groups, gamma), expected, (6,))
    last = fastbn.group_norm_backward(
        np.moveaxis(dy, 1, -1)[::-1], np.moveaxis(x, 1, -1)[::-1], groups, gamma, channel_axis=-1
    )
    assert_close(last._replace(dx=np.moveaxis(last.dx[::-1], -1, 1)), expected, (6,))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_instance_norm(shape, dtype):
    dy, x = sample(shape, dtype)
    gamma = np.random.default_rng(2).normal(size=6)
    along = gamma.reshape(-1, *[1] * (x.ndim - 2))
    expected = reference(dy, x, along, tuple(range(2, x.ndim)), (1,))
    assert_close(fastbn.instance_norm_backward(dy, x, gamma), expected, (6,))
    one = fastbn.instance_norm_backward(dy[0], x[0], gamma, channel_axis=0)
    assert_close(one, reference(dy[:1], x[:1], along, tuple(range(2, x.ndim)), (1,)), (6,))


@pytest.mark.parametrize(("shape", "axis"), [*LAYERS, ((3000, 400), -1), ((2, 600, 1000), -1)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_layer_norm(shape, axis, dtype):
    dy, x = sample(shape, dtype)
    axes = tuple(a % x.ndim for a in ((axis,) if isinstance(axis, int) else axis))
    inner = tuple(shape[a] for a in axes)
    gamma = np.random.default_rng(3).normal(size=inner)
    along = gamma.reshape([n if a in axes else 1 for a, n in enumerate(shape)])
    found = fastbn.layer_norm_backward(dy, x, gamma, axis=axis)
    assert_close(found, reference(dy, x, along, axes, axes), inner)
    plain = fastbn.layer_norm_backward(dy, x, axis=axis)
    assert_close(plain, reference(dy, x, np.ones(()), axes, axes), inner)


@given(
    st.lists(st.tuples(st.integers(-40, 40), st.integers(-40, 40)), min_size=4, max_size=4),
    st.lists(st.integers(-8, 8), min_size=4, max_size=4),
    st.sampled_from([1e-5, 0.25]),
)
def test_in_rational_arithmetic(pairs, gamma, eps):
    """One sample of two channels in one group, and one row: the sums of dgamma have one term each."""
    x, dy = (np.array(column, float) / 8 for column in zip(*pairs, strict=True))
    moments = oracle.moments(x)
    std = oracle.sticky_sqrt(moments.var(0) + Fraction(eps))
    xhat = [(Fraction(v) - moments.mean) / std for v in x.tolist()]
    for scale, call in (
        (gamma, lambda: fastbn.layer_norm_backward(dy[None], x[None], np.array(gamma, float), eps=eps)),
        (
            [gamma[0], gamma[0], gamma[1], gamma[1]],
            lambda: fastbn.group_norm_backward(
                dy.reshape(1, 2, 2), x.reshape(1, 2, 2), 1, np.array(gamma[:2], float), eps=eps
            ),
        ),
    ):
        found = call()
        scaled = [Fraction(v) * g for v, g in zip(dy.tolist(), scale, strict=True)]
        products = [a * b for a, b in zip(dy.tolist(), xhat, strict=True)]
        weighted = [a * b for a, b in zip(scaled, xhat, strict=True)]
        count = 4 // found.dbeta.size
        for k in range(found.dbeta.size):
            some = slice(k * count, (k + 1) * count)
            assert found.dbeta.ravel()[k] == sum(Fraction(v) for v in dy.tolist()[some])
            miss = abs(Fraction(found.dgamma.ravel()[k]) - sum(products[some]))
            assert miss <= sum(map(abs, products[some])) / 2**50
        first, second = sum(scaled) / 4, sum(weighted) / 4
        for value, s, h in zip(found.dx.ravel().tolist(), scaled, xhat, strict=True):
            terms = (abs(s) + max(map(abs, scaled)) + abs(h) * max(map(abs, weighted))) / std
            assert abs(Fraction(value) - (s - first - h * second) / std) <= terms / 2**49


CALLS = {
    "instance": lambda dy, x, **k: fastbn.instance_norm_backward(dy, x, np.arange(6.0), **k),
    "group": lambda dy, x, **k: fastbn.group_norm_backward(dy, x, 2, np.arange(6.0), **k),
    "layer": lambda dy, x, **k: fastbn.layer_norm_backward(dy, x, np.arange(float(x.shape[-1])), **k),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_output_may_be_x_or_dy(call, dtype):
    dy, x = sample((4, 6, 500), dtype)
    expected = call(dy, x)
    assert call(dy, x, out=np.empty_like(x)).dx.tobytes() == expected.dx.tobytes()
    for which in (0, 1):
        arrays = [dy.copy(), x.copy()]
        found = call(*arrays, out=arrays[which])
        assert found.dx is arrays[which]
        assert all(a.tobytes() == b.tobytes() for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_any_number_of_threads(call):
    dy, x = sample((8, 6, 90000), "float32")
    before, found = fastbn.get_num_threads(), set()
    try:
        for threads in (1, 2, 3):
            fastbn.set_num_threads(threads)
            found.add(b"".join(part.tobytes() for part in call(dy, x)))
    finally:
        fastbn.set_num_threads(before)
    assert len(found) == 1


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_nan_stays_in_its_sample(call):
    dy, x = sample((4, 6, 50))
    clean = call(dy, x)
    x[2, 1, 3] = np.nan
    found = call(dy, x)
    assert np.isnan(found.dx[2, 1]).all()
    assert found.dx[[0, 1, 3]].tobytes() == clean.dx[[0, 1, 3]].tobytes()
    assert not np.isnan(found.dbeta).any()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_nothing(call):
    x = np.empty((0, 6, 5), np.float32)
    dx, dgamma, dbeta = call(x, x)
    assert dx.shape == (0, 6, 5)
    assert not dgamma.any()
    assert not dbeta.any()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"dy": np.ones((4, 6, 4))}, ValueError, "dy: got shape"),
        ({"dy": np.ones((4, 6, 5), int)}, TypeError, "dy: got dtype int64"),
        ({"x": np.ones((4, 6, 5), complex)}, TypeError, "x: got dtype complex128"),
        ({"eps": np.nan}, ValueError, "eps: got nan"),
        ({"out": np.ones((4, 6, 5), np.float32)}, ValueError, "out: got dtype float32"),
        ({"gamma": np.ones(4)}, ValueError, "gamma: got shape"),
    ],
)
def test_errors(call, change, error, says):
    arguments = {"dy": np.ones((4, 6, 5)), "x": np.arange(120.0).reshape(4, 6, 5)} | change
    if "gamma" in change:
        call = {
            CALLS["instance"]: fastbn.instance_norm_backward,
            CALLS["group"]: lambda dy, x, **k: fastbn.group_norm_backward(dy, x, 2, **k),
            CALLS["layer"]: fastbn.layer_norm_backward,
        }[call]
    with pytest.raises(error, match=says):
        call(**arguments)


@pytest.mark.parametrize("dtype", ["int16", "int64", "float32"])
@pytest.mark.parametrize("groups", [1, 3])
def test_channels_that_lie_in_another_order(dtype, groups):
    rng = np.random.default_rng(5)
    x, dy = rng.normal(40, 20, (6, 2, 5)).astype(dtype).transpose(1, 0, 2), rng.normal(size=(2, 6, 5))
    found = fastbn.group_norm_backward(dy, x, groups)
    expected = reference(grouped(dy, groups), grouped(x, groups), np.ones((groups, 6 // groups, 1)), (2, 3), (1, 2))
    assert_close(found, expected, (6,))


def test_integers_and_mixed_dtypes():
    rng = np.random.default_rng(4)
    x, dy = rng.integers(0, 200, (3, 6, 40)).astype(np.uint8), rng.normal(size=(3, 6, 40)).astype(np.float32)
    expected = reference(dy, x, np.ones(()), (2,), (1,))
    found = fastbn.instance_norm_backward(dy, x)
    assert found.dx.dtype == np.float32
    assert_close(found, expected, (6,))
    expected = reference(dy, x, np.ones(()), (2,), (2,))
    assert_close(fastbn.layer_norm_backward(dy, x), expected, (40,))


@pytest.mark.parametrize("shape", SHAPES)
def test_same_as_pytorch(shape):
    torch = pytest.importorskip("torch")
    dy, x = sample(shape, "float32")
    gamma = np.random.default_rng(5).normal(size=6).astype(np.float32)
    functional = torch.nn.functional
    for ours, theirs in (
        (fastbn.instance_norm_backward(dy, x, gamma), lambda t, w: functional.instance_norm(t, weight=w)),
        (fastbn.group_norm_backward(dy, x, 3, gamma), lambda t, w: functional.group_norm(t, 3, w)),
    ):
        t, w = (torch.from_numpy(a.copy()).requires_grad_() for a in (x, gamma))
        theirs(t, w).backward(torch.from_numpy(dy))
        np.testing.assert_allclose(ours.dx, t.grad.numpy(), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(ours.dgamma, w.grad.numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("shape", "axis"), LAYERS[:3])
def test_layer_norm_same_as_pytorch(shape, axis):
    torch = pytest.importorskip("torch")
    dy, x = sample(shape, "float32")
    inner = shape[-1:] if isinstance(axis, int) else shape[1:]
    gamma = np.random.default_rng(6).normal(size=inner).astype(np.float32)
    t, w = (torch.from_numpy(a.copy()).requires_grad_() for a in (x, gamma))
    torch.nn.functional.layer_norm(t, inner, w).backward(torch.from_numpy(dy))
    found = fastbn.layer_norm_backward(dy, x, gamma, axis=axis)
    np.testing.assert_allclose(found.dx, t.grad.numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.dgamma, w.grad.numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(70, 1000, 2), (3, 30000, 4), (5, 70000, 1, 2)])
def test_more_channels_than_are_held_at_a_time(shape):
    dy, x = sample(shape)
    gamma = np.random.default_rng(7).normal(size=shape[1])
    along = gamma.reshape(-1, *[1] * (x.ndim - 2))
    expected = reference(dy, x, along, tuple(range(2, x.ndim)), (1,))
    assert_close(fastbn.instance_norm_backward(dy, x, gamma), expected, (shape[1],))
    whole = fastbn.group_norm(x, 10, gamma)
    for n in range(shape[0]):
        np.testing.assert_allclose(whole[n : n + 1], fastbn.group_norm(x[n : n + 1], 10, gamma), rtol=1e-12)
    assert fastbn.group_norm(x, 10, gamma, out=x) is x
    np.testing.assert_allclose(x, whole, rtol=1e-12)

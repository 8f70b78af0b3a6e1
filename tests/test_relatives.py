"""Instance, group and layer normalization: the formula over other axes, and PyTorch."""

from fractions import Fraction

import numpy as np
import pytest

import fastbn
import oracle

pytestmark = pytest.mark.usefixtures("backend")

SHAPES = [(4, 6, 5), (3, 6, 7, 8), (2, 6, 3, 4, 5), (2, 6, 700), (5, 6, 20, 30)]
DTYPES = [("float64", 1e-12), ("float32", 1e-5), ("float16", 4e-3), ("uint8", 1e-5)]


def sample(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 200, shape).astype(dtype) if dtype == "uint8" else rng.normal(3, 2, shape).astype(dtype)


def standardized(x, axes, eps=1e-5):
    x = x.astype(np.longdouble)
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + eps)


def along(vector, axis, rank):
    shape = [1] * rank
    shape[axis] = -1
    return np.asarray(vector).reshape(shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
def test_instance_norm(shape, dtype, tolerance):
    x = sample(shape, dtype)
    gamma, beta = np.random.default_rng(1).normal(size=(2, 6))
    expected = standardized(x, tuple(range(2, x.ndim)))
    np.testing.assert_allclose(fastbn.instance_norm(x), expected, rtol=tolerance, atol=tolerance)
    expected = expected * along(gamma, 1, x.ndim) + along(beta, 1, x.ndim)
    np.testing.assert_allclose(fastbn.instance_norm(x, gamma, beta), expected, rtol=tolerance, atol=tolerance)
    last = np.moveaxis(x, 1, -1)
    found = fastbn.instance_norm(last, gamma, beta, channel_axis=-1)
    np.testing.assert_allclose(np.moveaxis(found, -1, 1), expected, rtol=tolerance, atol=tolerance)
    one = fastbn.instance_norm(x[0], gamma, beta, channel_axis=0)
    np.testing.assert_allclose(one, expected[0], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [*SHAPES, (7, 6)])
@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
def test_group_norm(shape, groups, dtype, tolerance):
    x = sample(shape, dtype)
    gamma, beta = np.random.default_rng(2).normal(size=(2, 6))
    grouped = x.reshape(shape[0], groups, -1)
    expected = standardized(grouped, 2).reshape(shape)
    np.testing.assert_allclose(fastbn.group_norm(x, groups), expected, rtol=tolerance, atol=tolerance)
    expected = expected * along(gamma, 1, x.ndim) + along(beta, 1, x.ndim)
    np.testing.assert_allclose(fastbn.group_norm(x, groups, gamma, beta), expected, rtol=tolerance, atol=tolerance)
    last = np.moveaxis(x, 1, -1)[::-1]
    found = fastbn.group_norm(last, groups, gamma, beta, channel_axis=-1)[::-1]
    np.testing.assert_allclose(np.moveaxis(found, -1, 1), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((9, 40), -1), ((4, 5, 300), 2), ((3, 4, 5), (1, 2)), ((30, 7, 5), 0), ((8,), 0), ((4, 3, 6, 5), (1, -1))],
)
@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
def test_layer_norm(shape, axis, dtype, tolerance):
    x = sample(shape, dtype)
    axes = (axis,) if isinstance(axis, int) else axis
    axes = tuple(a % x.ndim for a in axes)
    inner = tuple(shape[a] for a in axes)
    gamma, beta = np.random.default_rng(3).normal(size=(2, *inner))
    expected = standardized(x, axes)
    np.testing.assert_allclose(fastbn.layer_norm(x, axis=axis), expected, rtol=tolerance, atol=tolerance)
    full = [n if a in axes else 1 for a, n in enumerate(shape)]
    expected = expected * gamma.reshape(full) + beta.reshape(full)
    found = fastbn.layer_norm(x, gamma, beta, axis=axis)
    np.testing.assert_allclose(found, expected, rtol=4 * tolerance, atol=4 * tolerance)
    found, expected = fastbn.layer_norm(x, beta=beta, axis=axis), standardized(x, axes) + beta.reshape(full)
    np.testing.assert_allclose(found, expected, rtol=4 * tolerance, atol=4 * tolerance)


@pytest.mark.parametrize("call", [fastbn.instance_norm, lambda x, **k: fastbn.group_norm(x, 3, **k), fastbn.layer_norm])
def test_output(call):
    x = sample((4, 6, 50), "float32")
    expected = call(x)
    out = np.empty_like(x)
    assert call(x, out=out) is out
    assert out.tobytes() == expected.tobytes()
    assert call(x, out=x) is x
    assert x.tobytes() == expected.tobytes()
    with pytest.raises(ValueError, match="out: got shape"):
        call(x, out=np.empty((4, 6, 51), np.float32))
    with pytest.raises(ValueError, match="eps: got"):
        call(x, eps=-1)
    assert call(np.empty((0, 6, 5), np.float32)).shape == (0, 6, 5)


def test_in_place_with_parameters():
    x = sample((4, 50), "float32")
    gamma = np.arange(50.0)
    expected = fastbn.layer_norm(x, gamma)
    assert fastbn.layer_norm(x, gamma, out=x).tobytes() == expected.tobytes()


def test_errors():
    x = sample((4, 6, 5))
    for call in (
        lambda: fastbn.group_norm(x, 4),
        lambda: fastbn.group_norm(x, 0),
        lambda: fastbn.group_norm(np.ones((3, 6)), 6),
        lambda: fastbn.instance_norm(np.ones((3, 6))),
        lambda: fastbn.instance_norm(x, np.ones(5)),
        lambda: fastbn.layer_norm(x, np.ones(6)),
        lambda: fastbn.instance_norm(x, channel_axis=3),
        lambda: fastbn.layer_norm(x, axis=()),
    ):
        with pytest.raises(ValueError, match="got"):
            call()
    with pytest.raises(ValueError, match=r"^axis: got 3"):
        fastbn.layer_norm(x, axis=3)
    for call in (
        lambda: fastbn.group_norm(x, 2.5),
        lambda: fastbn.layer_norm(x, axis=None),
        lambda: fastbn.instance_norm(x, channel_axis=None),
        lambda: fastbn.instance_norm(x.astype(complex)),
    ):
        with pytest.raises(TypeError, match="got"):
            call()


@pytest.mark.parametrize("shape", SHAPES)
def test_same_as_pytorch(shape):
    torch = pytest.importorskip("torch")
    x = sample(shape, "float32")
    gamma, beta = np.random.default_rng(4).normal(size=(2, 6)).astype(np.float32)
    t, w, b = (torch.from_numpy(a) for a in (x, gamma, beta))
    functional = torch.nn.functional
    for ours, theirs in (
        (fastbn.instance_norm(x, gamma, beta), functional.instance_norm(t, weight=w, bias=b)),
        (fastbn.group_norm(x, 3, gamma, beta), functional.group_norm(t, 3, w, b)),
        (fastbn.layer_norm(x, axis=tuple(range(1, x.ndim))), functional.layer_norm(t, shape[1:])),
    ):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("offset", [0, 1000])
def test_layer_norm_to_the_last_bit(dtype, offset):
    """Rounded once up to float32; float64 within 1 ulp of the terms and 1 of the result. In one row terms cancel."""
    x = (sample((8, 300)) + offset).astype(dtype)
    gamma = np.random.default_rng(8).normal(size=300)
    beta = -standardized(x, 1)[5].astype(np.float64) * gamma
    for row, found in zip(x, fastbn.layer_norm(x, gamma, beta), strict=True):
        moments = oracle.moments(row)
        std = oracle.sticky_sqrt(moments.var(0) + Fraction(1e-5))
        for value, y, scale, shift in zip(row.tolist(), found, gamma.tolist(), beta.tolist(), strict=True):
            term = (Fraction(value) - moments.mean) / std * Fraction(scale)
            exact = term + Fraction(shift)
            own = Fraction(float(np.spacing(abs(np.dtype(dtype).type(float(exact))))))
            terms = max(oracle.ulp(abs(term)), oracle.ulp(abs(Fraction(shift))))
            allowed = own + terms if dtype == "float64" else own / 2 + 3 * terms
            assert abs(Fraction(float(y)) - exact) <= allowed

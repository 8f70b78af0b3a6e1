"""What maps, batch normalization and its gradients do where some values do not count."""

import math

import numpy as np
import pytest

import fastbn
from generators import FLOATS, INTEGERS

pytestmark = pytest.mark.usefixtures("backend")


# --- normalization ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_maps_use_what_counts(dtype, axis):
    """All positions are normalized with the statistics of those that count."""
    rng = np.random.default_rng(9)
    x = rng.integers(0, 2, (30, 4, 40)).astype(dtype)
    where = rng.random(x.shape) < 0.5
    if x.dtype.kind == "f":
        x += rng.normal(size=x.shape).astype(dtype)
        x[rng.random(x.shape) < 0.1] = math.nan
    stats = fastbn.channel_stats(x, axis, where=where, nan_policy="omit")
    for function in (fastbn.zscore, fastbn.minmax_scale):
        y, used = function(x, axis, where=where, nan_policy="omit", return_stats=True)
        assert used == stats
        np.testing.assert_array_equal(y, function(x, axis, stats=stats))
        assert np.array_equal(np.isnan(y), np.isnan(x.astype(float)))


@pytest.mark.parametrize("shape", [(1 << 12, 32), (8, 4, 50, 60), (16, 64, 7, 7), (3, 70_000)])
@pytest.mark.parametrize("dtype", FLOATS)
def test_omitted_nan_stay_alone(shape, dtype):
    """Fused with the statistics where the data allow."""
    rng = np.random.default_rng(10)
    x = rng.normal(5, 2, shape).astype(dtype)
    x[rng.random(shape) < 0.01] = math.nan
    stats = fastbn.channel_stats(x, nan_policy="omit")
    y = fastbn.zscore(x, nan_policy="omit")
    np.testing.assert_array_equal(y, fastbn.normalize(x, stats))
    assert np.array_equal(np.isnan(y), np.isnan(x))
    same = x.copy()
    assert fastbn.zscore(same, nan_policy="omit", out=same) is same
    np.testing.assert_array_equal(same, y)


@pytest.mark.parametrize("function", [fastbn.zscore, fastbn.minmax_scale])
@pytest.mark.parametrize(
    ("dtype", "nodata", "output", "kept"),
    [
        ("uint8", 255, None, 255.0),
        ("int16", -9999, None, -9999.0),
        ("uint16", 65535, "float16", math.nan),
        ("int32", 2**24 + 1, "float32", math.nan),
        ("int64", 2**53 + 1, None, math.nan),
        ("int64", -(2**63), None, -(2.0**63)),
        ("uint64", 2**64 - 1, None, math.nan),
        ("float32", -9999.0, None, -9999.0),
        ("float32", math.nan, None, math.nan),
        ("float64", 0.1, "float32", math.nan),
        ("float64", -1e38, "float64", -1e38),
    ],
)
def test_nodata_keep_their_value(function, dtype, nodata, output, kept):
    rng = np.random.default_rng(11)
    x = rng.integers(0, 100, (20, 3, 50)).astype(dtype)
    gone = rng.random(x.shape) < 0.2
    x[gone] = nodata
    y = function(x, nodata=nodata, dtype=output)
    np.testing.assert_array_equal(y[gone], np.full(gone.sum(), kept, y.dtype))
    plain = function(x, where=~gone, dtype=output)
    np.testing.assert_array_equal(y[~gone], plain[~gone])
    stats = fastbn.channel_stats(x, where=~gone)
    np.testing.assert_array_equal(function(x, stats=stats, nodata=nodata, dtype=output), y)
    if y.dtype == x.dtype:
        same = x.copy()
        function(same, nodata=nodata, out=same)
        np.testing.assert_array_equal(same, y)


def test_masked_in_masked_out():
    rng = np.random.default_rng(12)
    x = np.ma.MaskedArray(rng.normal(size=(50, 4)), rng.random((50, 4)) < 0.3)
    y, stats = fastbn.zscore(x, return_stats=True)
    assert isinstance(y, np.ma.MaskedArray)
    assert np.array_equal(y.mask, x.mask)
    np.testing.assert_array_equal(y.data, fastbn.zscore(x.data, where=~x.mask))
    back = fastbn.denormalize(y, stats)
    assert np.array_equal(back.mask, x.mask)
    assert np.allclose(back, x)
    scaled = fastbn.minmax_scale(x)
    assert float(scaled.min()) == 0.0
    assert float(scaled.max()) == 1.0
    assert np.allclose(fastbn.minmax_unscale(scaled, stats), x)
    assert isinstance(fastbn.normalize(x, stats), np.ma.MaskedArray)
    out = np.empty((50, 4))
    assert fastbn.zscore(x, out=out) is out
    assert fastbn.zscore(x, out=x) is x
    np.testing.assert_array_equal(x.data, out)
    y[0] = np.ma.masked  # which must not reach the input
    assert np.array_equal(x.mask, scaled.mask)
    assert np.ma.MaskedArray(x, hard_mask=True).hardmask == fastbn.zscore(np.ma.MaskedArray(x, hard_mask=True)).hardmask
    for function in (fastbn.instance_norm, fastbn.layer_norm):
        with pytest.raises(TypeError, match="masked array"):
            function(x)


# --- batch normalization ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", ["torch", "keras", "onnx"])
@pytest.mark.parametrize("kind", ["omit", "where", "masked"])
def test_batch_norm_leaves_out(kind, convention):
    rng = np.random.default_rng(13)
    x = rng.normal(3, 2, (40, 5, 6, 7)).astype(np.float32)
    gone = rng.random(x.shape) < 0.2
    gone[:, 3] = True
    gone[:, 4] = True
    gone[7, 4, 2, 2] = False
    x[gone] = math.nan if kind == "omit" else 1e30
    arguments = {"omit": {"nan_policy": "omit"}, "where": {"where": ~gone}, "masked": {}}[kind]
    batch = np.ma.MaskedArray(x, gone) if kind == "masked" else x
    mean, var = np.full(5, 7.0), np.full(5, 11.0)
    y, stats = fastbn.batch_norm(
        batch, running_mean=mean, running_var=var, convention=convention, return_stats=True, **arguments
    )
    assert stats == fastbn.channel_stats(x, where=~gone)
    assert stats.n_missing.tolist() == gone.sum(axis=(0, 2, 3)).tolist()
    rows = [np.float64(x[:, c][~gone[:, c]]) for c in range(5)]
    new = {"torch": 0.1, "keras": 0.01, "onnx": 0.1}[convention]
    ddof = 1 if convention == "torch" else 0
    for c in range(3):
        assert mean[c] == pytest.approx(7 * (1 - new) + new * rows[c].mean(), rel=1e-6)
        assert var[c] == pytest.approx(11 * (1 - new) + new * rows[c].var(ddof=ddof), rel=1e-6)
    assert (mean[3], var[3]) == (7.0, 11.0)  # nothing counted
    assert ((mean[4], var[4]) == (7.0, 11.0)) == (convention == "torch")  # one value has no unbiased variance
    assert np.isfinite(np.asarray(y)[:, :3][~gone[:, :3]]).all()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("kind", ["where", "masked"])
def test_backward_leaves_out(kind, dtype, training):
    """As if each channel held only what counts; 0 elsewhere."""
    rng = np.random.default_rng(14)
    x = rng.normal(3, 2, (6, 4, 5, 9)).astype(dtype)
    dy = rng.normal(size=x.shape).astype(dtype)
    where = rng.random(x.shape) < 0.7
    x[~where] = rng.choice([math.nan, math.inf, 1e3], (~where).sum())
    dy[~where] = rng.choice([math.nan, 7.0], (~where).sum())
    gamma = rng.normal(size=4)
    stats = fastbn.channel_stats(x, where=where)
    arguments = {"training": training} | ({"where": where} if kind == "where" else {})
    given = np.ma.MaskedArray(x, ~where) if kind == "masked" else x
    dx, dgamma, dbeta = fastbn.batch_norm_backward(dy, given, stats, gamma, **arguments)
    assert dx.dtype == dy.dtype
    assert (dx[~where] == 0).all()
    for c in range(4):
        keep = where[:, c]
        alone = [a[:, c][keep][:, np.newaxis] for a in (dy, x)]
        part = fastbn.batch_norm_backward(*alone, stats.select([c]), gamma[[c]], training=training)
        np.testing.assert_array_equal(dx[:, c][keep], part.dx[:, 0])
        np.testing.assert_allclose([dgamma[c], dbeta[c]], [part.dgamma[0], part.dbeta[0]], rtol=4e-16)
    found = fastbn.batch_norm_backward(dy, x, stats, gamma, where=where, training=training, out=np.empty_like(dy))
    np.testing.assert_array_equal(found.dx, dx)
    same = dy.copy()
    assert fastbn.batch_norm_backward(same, x, stats, gamma, where=where, training=training, out=same).dx is same
    np.testing.assert_array_equal(same, dx)


def test_layer_takes_masked_batches():
    rng = np.random.default_rng(15)
    x = rng.normal(3, 2, (30, 4)).astype(np.float32)
    gone = rng.random(x.shape) < 0.3
    layer = fastbn.BatchNorm(4)
    y = layer(np.ma.MaskedArray(x, gone))
    mean, var = np.zeros(4, np.float32), np.ones(4, np.float32)
    np.testing.assert_array_equal(y.data, fastbn.batch_norm(x, where=~gone, running_mean=mean, running_var=var))
    np.testing.assert_array_equal(layer.running_mean, mean)
    dx = layer.backward(np.ones_like(x))
    assert (dx[gone] == 0).all()

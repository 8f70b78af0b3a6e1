"""What users of other libraries suffered from: missing data, and input that was changed. See test_peers.py."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle
from contract import assert_statistics
from fastbn.cli import main
from generators import FLOATS, channels
from layouts import LAYOUTS
from rational import BATCH_NORM_EPS, assert_standardized

pytestmark = pytest.mark.usefixtures("backend")


def normal(shape, mean=0.0, std=1.0, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(mean, std, shape).astype(dtype)


@pytest.mark.parametrize("shape", [(60, 4), (12, 4, 25)])
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_channel_of_nan_harms_no_other(dtype, shape):
    """It is neither constant nor an error (ray#51243: a crash; featrs#35: NaN < eps is false)."""
    x = normal(shape, 5, 2, dtype)
    x[:, 1] = x[7, 2] = math.nan
    x[:, 3] = 2
    gone = np.isnan(x)
    stats = fastbn.channel_stats(x, nan_policy="omit")
    per_channel = x[:, 0].size
    assert stats.count.tolist() == [per_channel, 0, per_channel - x[7, 2].size, per_channel]
    for function in (fastbn.zscore, fastbn.minmax_scale, fastbn.robust_scale):
        y = function(x, nan_policy="omit")
        assert np.array_equal(np.isnan(y), gone)
        assert (y[:, 3] == 0).all()
        np.testing.assert_array_equal(y[:, 0], function(np.stack([x[:, 0]] * 4, axis=1))[:, 0])
        with pytest.raises(ValueError, match=r"channel \(3,\) is constant"):
            function(x, nan_policy="omit", on_constant="raise")
        function(x[:, :3], nan_policy="omit", on_constant="raise")
        function(x[:, :3], on_constant="raise")
    later = stats.update(np.ones((5, 4, *shape[2:]), dtype))
    assert later.mean[1] == 1
    assert later.count[1] == 5 * math.prod(shape[2:])


@pytest.mark.parametrize("padding", [0.0, math.nan, -math.inf, 1e4])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("axis", [1, -1])
def test_padding_does_not_distort_a_batch(axis, dtype, padding):
    """Sequences of unequal length: pytorch#70529, #30414, tensorflow#30161, flax#3690.

    With a mask, statistics are those of the frames alone, whatever the padding holds and however long it is.
    """
    rng = np.random.default_rng(3)
    lengths = rng.integers(1, 60, 9)
    frames = normal((lengths.sum(), 5), 35, 3, dtype)
    outputs, states = [], []
    for longest in (60, 200):
        real = np.arange(longest) < lengths[:, np.newaxis]
        x = np.full((9, longest, 5), padding, dtype)
        x[real] = frames
        x, where = (np.ascontiguousarray(np.moveaxis(a, -1, axis)) for a in (x, real[..., np.newaxis]))
        mean, var = np.zeros(5), np.ones(5)
        y, stats = fastbn.batch_norm(
            x, running_mean=mean, running_var=var, momentum=1, channel_axis=axis, where=where, return_stats=True
        )
        outputs.append(np.moveaxis(y, axis, -1)[real])
        states.append(fastbn.channel_stats(x, axis, where=where, method="exact"))
        exact = oracle.channel_moments(frames)
        assert_statistics(stats, exact, dtype, missing=[int((~real).sum())] * 5)
        assert_standardized(outputs[-1], frames, eps=BATCH_NORM_EPS)
        assert (mean.tobytes(), var.tobytes()) == (stats.mean.tobytes(), stats.var(1).tobytes())
    alone = fastbn.channel_stats(frames, method="exact")
    for state in states:
        assert (state.mean.tobytes(), state.var().tobytes()) == (alone.mean.tobytes(), alone.var().tobytes())


def test_a_raster_with_nodata_of_its_own_in_every_band(tmp_path, capsys):
    """rio-tiler#579, layman#667 (3.4e38), rasterio#2758 (an empty band), openeo-geopyspark-driver#471 (NaN in JSON)."""
    nodata = [-9999.0, float(np.finfo(np.float32).max), math.nan, 0.0]
    x = normal((4, 50, 60), 200, 40, np.float32)
    gone = np.random.default_rng(4).random(x.shape) < np.array([0.1, 0.5, 0.9, 1])[:, np.newaxis, np.newaxis]
    x[0, 0, :9], x[1, 0, :9] = 0, -9999  # what stands for nothing in other bands is data here
    gone[:2, 0, :9] = False
    x[gone] = np.broadcast_to(np.float32(nodata)[:, np.newaxis, np.newaxis], x.shape)[gone]
    stats = fastbn.channel_stats(x, 0, nodata=nodata)
    exact = [oracle.moments(band[keep]) for band, keep in zip(x, ~gone, strict=True)]
    assert_statistics(stats, exact, x.dtype, missing=gone.sum(axis=(1, 2)).tolist())
    for function in (fastbn.zscore, fastbn.minmax_scale):
        y = function(x, 0, nodata=nodata, on_constant="raise")
        np.testing.assert_array_equal(y[gone], x[gone])
    y = fastbn.zscore(x, 0, nodata=nodata)
    for band in range(3):
        kept = ~gone[band]
        assert_standardized(y[band][kept], x[band][kept], None)
    np.save(tmp_path / "x.npy", np.where(gone, np.float32(-9999), x))
    arguments = ["stats", str(tmp_path / "x.npy"), "--channel-axis", "0", "--nodata=-9999", "--json"]
    assert main(arguments) == 0
    stats.save(tmp_path / "stats.json")
    for text in (capsys.readouterr().out, (tmp_path / "stats.json").read_text()):
        words = []
        assert json.loads(text, parse_constant=words.append)["count"][3] == 0
        assert words == []  # neither NaN nor Infinity, which JSON does not know
    assert fastbn.ChannelStats.load(tmp_path / "stats.json") == stats


@given(st.lists(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=9), min_size=1, max_size=6))
def test_what_is_missing_has_no_weight_in_a_merge(parts):
    """bridgescaler counts NaN, so parts with many of them weigh too much."""
    arrays = [np.array([math.nan if v is None else v for v in part], float) for part in parts]
    merged = sum(fastbn.channel_stats(array, None, nan_policy="omit") for array in arrays)
    values = [v for part in parts for v in part if v is not None]
    assert_statistics(
        merged, [oracle.moments(values)], float, merged=True, missing=[sum(map(len, parts)) - len(values)]
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", [("instruments", "float32"), ("normal", "float64"), ("counts", "uint16")])
def test_a_mask_that_hides_nothing_changes_no_bit(name, layout):
    """MONAI PR #6887: it also took ten times as long."""
    data = LAYOUTS[layout](channels(*name))
    ways = [{"where": True}, {"where": np.ones(data.x.shape, bool)}, {"nan_policy": "omit"}, {"nodata": 3}]
    plain, exact = (fastbn.channel_stats(data.x, data.axis, method=method) for method in ("compensated", "exact"))
    expected = fastbn.zscore(data.x, data.axis)
    for way in ways:
        assert fastbn.channel_stats(data.x, data.axis, method="exact", **way) == exact
        if "nodata" not in way:
            assert fastbn.channel_stats(data.x, data.axis, **way) == plain
            assert fastbn.zscore(data.x, data.axis, **way).tobytes() == expected.tobytes()
    for mask in (np.ma.nomask, np.zeros(data.x.shape, bool)):
        assert fastbn.channel_stats(np.ma.MaskedArray(data.x, mask), data.axis) == plain


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_nothing_that_goes_in_is_changed_or_comes_out_again(dtype):
    """dask-ml writes into what it was given. Nor is the result a view of it where nothing had to be done."""
    x = np.abs(normal((6, 4, 5), 100, 9)).astype(dtype)
    if dtype != "uint8":
        x[0, 1, 2] = math.nan
    dy, gamma, beta, mean, var, weights = (normal(x.shape, seed=1), np.ones(4), np.zeros(4), *np.ones((3, 4)))
    where, nodata = np.random.default_rng(5).random(x.shape) < 0.8, np.array([3.0, 4, 5, 6])
    weights, some = weights[:, np.newaxis], {"nan_policy": "omit", "where": where}
    unit = fastbn.ChannelStats.from_moments(9, beta, gamma, min=beta, max=gamma)  # by which nothing changes
    quantiles = fastbn.channel_quantiles(x, [0.25, 0.5, 0.75], nan_policy="omit")
    given_arrays = (x, dy, gamma, beta, mean, var, weights, where, nodata)
    before = [a.tobytes() for a in given_arrays]
    running = {"running_mean": mean, "running_var": var, "training": False}
    results = [
        fastbn.zscore(x, nodata=nodata, weights=weights, **some),
        fastbn.minmax_scale(x, nodata=nodata, **some),
        fastbn.robust_scale(x, nodata=nodata, **some),
        fastbn.zscore(x, stats=unit),
        fastbn.minmax_scale(x, stats=unit, clip=True),
        fastbn.robust_scale(x, stats=quantiles),
        fastbn.normalize(x, unit, gamma=gamma, beta=beta),
        fastbn.denormalize(x, unit, gamma=gamma, beta=beta),
        fastbn.minmax_unscale(x, unit),
        fastbn.batch_norm(x, gamma, beta, **some),
        fastbn.batch_norm(x, gamma, beta, eps=0.0, **running),
        *fastbn.batch_norm_backward(dy, x, unit, gamma, where=where),
        *fastbn.batch_norm_backward(dy, x, unit, gamma, eps=0.0, training=False),
        fastbn.instance_norm(x, gamma, beta),
        fastbn.group_norm(x, 2, gamma, beta),
        fastbn.layer_norm(x, np.ones(5), np.zeros(5)),
        *fastbn.layer_norm_backward(dy, x, np.ones(5)),
        *fastbn.group_norm_backward(dy, x, 2, gamma),
        *fastbn.instance_norm_backward(dy, x, gamma),
    ]
    stats = fastbn.channel_stats(x, nodata=nodata, weights=weights, **some)
    results += [stats.mean, stats.min, stats.max, stats.var(), unit.mean, unit.var(), unit.min]
    for number, result in enumerate(results):
        assert not any(np.shares_memory(result, a) for a in given_arrays), number
        if result.flags.writeable:
            result[...] = 7
    assert [a.tobytes() for a in given_arrays] == before

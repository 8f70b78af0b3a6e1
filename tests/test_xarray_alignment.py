"""What is said beside labelled data is aligned by name, copied to no full size, and refused where labels differ."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle
from labelled import backed, over_both, scene

xr = pytest.importorskip("xarray")
fx = fastbn.xarray

DIMS = ("time", "band", "lat", "lon")


@st.composite
def companions(draw):
    """An array, some of its dimensions to keep, and whole weights over any of its dimensions, in any order."""
    x = scene().transpose(*draw(st.permutations(DIMS)))
    kept = tuple(draw(st.permutations(DIMS))[: draw(st.integers(0, 3))])
    dims = draw(st.permutations(DIMS))[: draw(st.integers(0, 4))]
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    weights = xr.DataArray(rng.integers(0, 3, [x.sizes[dim] for dim in dims]), dims=dims)
    coords = {dim: x.coords[dim] for dim in dims if dim in x.coords}
    return x, kept, weights.assign_coords(coords) if draw(st.booleans()) else weights


def repeated(x, kept, weights):
    """Moments of the values, repeated as often as the weights say, channel by channel."""
    whole = [np.moveaxis(a.values, [x.dims.index(dim) for dim in kept], range(len(kept))) for a in (x, weights)]
    channels = (a.reshape(int(np.prod(whole[0].shape[: len(kept)])), -1) for a in whole)
    return [oracle.moments(np.repeat(v, n)) for v, n in zip(*channels, strict=True)]


@given(companions())
def test_weights_in_any_order_are_repetitions(case):
    x, kept, weights = case
    stats = fx.channel_stats(x, kept, weights=weights)
    exact = repeated(x, kept, weights.broadcast_like(x).transpose(*x.dims))
    assert stats.weight.ravel().tolist() == [m.count for m in exact]
    assert max(oracle.ulps(v, m.mean) for v, m in zip(stats.mean.ravel(), exact, strict=True)) <= 1
    assert max(oracle.ulps(v, m.var()) for v, m in zip(stats.var().ravel(), exact, strict=True)) <= 2
    where = fx.channel_stats(x, kept, where=weights > 0)
    np.testing.assert_array_equal(where.count, stats.count)
    plain = weights.broadcast_like(x).transpose(*x.dims).values
    by_position = fx.channel_stats(x, kept, weights=plain)
    np.testing.assert_array_equal(by_position.count, stats.count)
    np.testing.assert_allclose(by_position.mean, stats.mean, rtol=1e-15)


@over_both
def test_weights_of_latitudes(backing):
    x = scene()
    weights = np.cos(np.deg2rad(x.lat))
    y, stats = fx.zscore(backed(x, backing), "band", weights=weights, return_stats=True)
    stats = stats if backing == "numpy" else stats.compute()
    peer = x.weighted(weights)
    np.testing.assert_allclose(stats.mean, peer.mean(["time", "lat", "lon"]), rtol=1e-14)
    np.testing.assert_allclose(stats.std(), peer.std(["time", "lat", "lon"]), rtol=1e-12)
    np.testing.assert_array_equal(y.values, fastbn.zscore(backed(x, backing).data, weights=weights.values[:, None]))
    assert fastbn.zscore(backed(x, backing), 1, weights=weights).identical(y)
    assert fx.zscore(backed(x, backing), "band", weights=weights.variable).identical(y)


@over_both
def test_missing_values_are_omitted_as_by_xarray(backing):
    x = backed(scene().where(scene() > 278), backing)
    found = fx.stats_dataset(x, "band", nan_policy="omit", ddof=1)
    dims = ["time", "lat", "lon"]
    np.testing.assert_allclose(found["mean"], x.mean(dims, skipna=True), rtol=1e-14)
    np.testing.assert_allclose(found["var"], x.var(dims, skipna=True, ddof=1), rtol=1e-12)
    np.testing.assert_array_equal(found["count"], x.count(dims))
    np.testing.assert_array_equal(found["min"], x.min(dims))
    np.testing.assert_array_equal(found["n_missing"], x.isnull().sum(dims))


@over_both
@pytest.mark.parametrize("kept", [("band", "lat"), ("lat", "band")])
def test_vectors_are_aligned_by_name_too(kept, backing):
    x = backed(scene(), backing)
    stats = fx.channel_stats(x, kept)
    gamma = xr.DataArray([1.0, 2.0, 3.0], {"band": x.band}, "band")
    beta = (gamma * xr.DataArray(np.arange(5.0), {"lat": x.lat}, "lat")).transpose("lat", "band")
    y = fx.normalize(x, stats, kept, gamma=gamma, beta=beta)
    plain = [v.broadcast_like(beta).transpose(*kept).values for v in (gamma, beta)]
    np.testing.assert_array_equal(y.values, fx.normalize(x, stats, kept, gamma=plain[0], beta=plain[1]).values)
    nodata = x.isel(time=0, lon=0).max("lat").compute().drop_vars(["time", "month", "station"])
    marked = fx.channel_stats(x, kept, nodata=nodata)
    assert marked.n_missing.sum() == sum((x == nodata).values.ravel())
    scalar = fx.channel_stats(x, kept, nodata=xr.DataArray(float(x[0, 0, 0, 0])))
    assert scalar.n_missing.sum() == 1


@over_both
def test_running_statistics_are_updated_where_they_are(backing):
    x = backed(scene(), backing)
    mean = xr.DataArray(np.zeros((5, 3)), {"lat": x.lat, "band": x.band}, ["lat", "band"], attrs={"note": "mine"})
    var, memory = xr.ones_like(mean), mean.data
    fx.batch_norm(x, channel_dim=("band", "lat"), running_mean=mean, running_var=var)
    plain = np.zeros((3, 5)), np.ones((3, 5))
    fastbn.batch_norm(x.data, channel_axis=(1, 2), running_mean=plain[0], running_var=plain[1])
    assert mean.data is memory
    np.testing.assert_array_equal(mean.values.T, plain[0])
    np.testing.assert_array_equal(var.values.T, plain[1])
    y = fx.batch_norm(x, channel_dim=("band", "lat"), running_mean=mean, running_var=var, training=False)
    np.testing.assert_array_equal(
        y, fastbn.batch_norm(x.data, channel_axis=(1, 2), running_mean=plain[0], running_var=plain[1], training=False)
    )
    with pytest.raises(ValueError, match=r"running_mean: got dimensions \('band',\); wants \('band', 'lat'\)"):
        fx.batch_norm(x, channel_dim=("band", "lat"), running_mean=mean[0], running_var=var[0])
    frozen = mean.copy()
    frozen.data.setflags(write=False)
    with pytest.raises(ValueError, match="running_mean"):
        fx.batch_norm(x, channel_dim=("lat", "band"), running_mean=frozen, running_var=var)


def test_samples_by_name():
    x = scene()
    y = fx.instance_norm(x.transpose("lon", "band", "time", "lat"), channel_dim="band", sample_dim="time")
    np.testing.assert_allclose(y.transpose(*x.dims), fastbn.instance_norm(x.values), rtol=1e-14)
    assert y.dims == ("lon", "band", "time", "lat")
    groups = fx.group_norm(x.transpose("lat", "band", "time", "lon"), 3, channel_dim="band", sample_dim="time")
    np.testing.assert_allclose(groups.transpose(*x.dims), y.transpose(*x.dims), rtol=1e-14)
    one = fx.instance_norm(x, channel_dim="band", sample_dim="band")
    np.testing.assert_allclose(one, fx.zscore(x, "band", eps=1e-5), rtol=1e-14)


@over_both
def test_gradients_are_labelled(backing):
    x = backed(scene("float32"), backing)
    rng = np.random.default_rng(1)
    dy = backed(scene("float32").copy(data=rng.normal(size=x.shape).astype("float32")), backing)
    stats = fastbn.channel_stats(x)
    gamma = xr.DataArray([1.0, 2.0, 3.0], {"band": x.band}, "band")
    calls = {
        "batch_norm_backward": {"stats": stats, "gamma": gamma},
        "instance_norm_backward": {"gamma": gamma},
        "group_norm_backward": {"num_groups": 3, "gamma": gamma},
        "layer_norm_backward": {"gamma": gamma, "axis": 1},
    }
    for name, arguments in calls.items():
        function = getattr(fastbn, name)
        dx, dgamma, dbeta = function(dy, x.transpose(..., "time"), **arguments)
        expected = function(dy.data, x.data, **{k: v.values if v is gamma else v for k, v in arguments.items()})
        for ours, theirs in zip((dx, dgamma, dbeta), expected, strict=True):
            assert type(ours.data) is type(theirs)
            np.testing.assert_array_equal(ours.values, np.asarray(theirs))
        assert dx.coords.equals(dy.coords)
        assert dgamma.dims == dbeta.dims == ("band",)
        assert dgamma.indexes["band"].equals(x.indexes["band"])
        assert "wavelength" in dbeta.coords
    with pytest.raises(ValueError, match="x: got other coordinates"):
        fastbn.batch_norm_backward(dy, x.assign_coords(lat=x.lat + 1), stats)


@pytest.mark.parametrize("argument", ["where", "weights"])
def test_nothing_is_copied_to_full_size(argument):
    x = xr.DataArray(np.ones((64, 512, 512), np.float32), dims=["time", "lat", "lon"])
    beside = xr.DataArray(np.ones(512, bool), dims="lat")
    fx.channel_stats(x, "lat", **{argument: beside})
    tracemalloc.start()
    fx.channel_stats(x, "lat", **{argument: beside})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.size / 2  # bytes


# Out


@pytest.mark.parametrize("kept", ["band", ("lon", "band")])
def test_results_go_where_they_are_wanted(kept):
    x = scene()
    expected, given_labels = fx.zscore(x, kept), {"time": x.time, "band": x.band}
    out = xr.DataArray(np.zeros((3, 4, 2, 5)), given_labels, ["band", "time", "lon", "lat"], "mine", {"units": "m"})
    memory = out.data
    assert fx.zscore(x, kept, out=out) is out
    assert out.data is memory
    assert out.name == "mine"
    assert out.attrs == expected.attrs
    np.testing.assert_array_equal(out.transpose(*x.dims), expected)
    assert fx.zscore(x, kept, out=x) is x
    assert x.identical(expected)
    assert x.encoding == {}


def test_what_cannot_be_written_to_is_refused():
    x = scene()
    before = x.copy(deep=True)
    for out, error, message in (
        (x.values.copy(), TypeError, "out: got ndarray; wants a DataArray"),
        (x.to_dataset(), TypeError, "out: got Dataset; wants a DataArray"),
        (x.isel(time=0), ValueError, "out: got dimensions"),
        (x.copy(deep=True).assign_coords(lat=x.lat + 1), ValueError, "out: got other coordinates"),
        (x.astype("float32"), ValueError, "out: got dtype float32"),
        (x.transpose("lat", ...)[::-1], ValueError, "out"),
    ):
        with pytest.raises(error, match=message):
            fx.zscore(x, "band", out=out)
    with pytest.raises(TypeError, match="out: got DataArray for a Dataset; wants None"):
        fx.zscore(x.to_dataset(), "band", out=x)
    assert x.identical(before)


def test_dask_arrays_are_not_written_to():
    pytest.importorskip("dask")
    x = scene()
    with pytest.raises(TypeError, match="out: got a DataArray of Array; wants one of NumPy data"):
        fx.zscore(x, "band", out=x.chunk())
    with pytest.raises(TypeError, match="out"):
        fx.zscore(x.chunk(), "band", out=x)


# What does not fit


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"channel_dim": "bands"}, ValueError, r"channel_dim: got 'bands'; wants dimensions among \('time', 'band'"),
        ({"channel_dim": 1}, ValueError, "channel_dim: got 1; wants dimensions"),
        ({"channel_dim": ["band", "band"]}, ValueError, "names a dimension twice"),
        ({"channel_dim": {"band"}}, TypeError, "channel_dim: got a set, which has no order"),
        ({"channel_dim": iter(["band"])}, TypeError, "channel_dim: got a list_iterator, which can be read only once"),
        ({"where": xr.DataArray([True], dims="x")}, ValueError, r"where: got dimensions \('x',\); wants some of"),
        ({"where": xr.DataArray([True], dims="lat")}, ValueError, "where: got other coordinates or sizes"),
        ({"weights": xr.DataArray([1, 1], {"lon": [0, 1]}, ["lon"]).to_dataset(name="w")}, TypeError, "a Dataset"),
        ({"weights": xr.DataArray(np.ones(5), {"lat": range(5)}, ["lat"])}, ValueError, "weights: .* 'lat'"),
        ({"weights": scene().lat[::-1] ** 2}, ValueError, "weights: .* 'lat'"),
        ({"weights": xr.Variable(["lat"], np.ones(4))}, ValueError, "weights"),
        ({"nodata": xr.DataArray(np.ones(5), dims="lat")}, ValueError, r"nodata: got dimensions \('lat',\)"),
        ({"where": xr.DataArray(np.ones(5), dims="lat")}, TypeError, "where: got dtype float64; wants bool"),
        ({"channel_dim": ("lat", "band"), "where": np.ones((1,) * 5, bool)}, ValueError, "where: got shape"),
        ({"stats": {}}, TypeError, "stats: got dict; wants ChannelStats"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        fx.zscore(scene(), **{"channel_dim": "band"} | arguments)


def test_other_kinds_are_refused():
    x = scene()
    with pytest.raises(TypeError, match="x: got ndarray; wants a DataArray or a Dataset"):
        fx.zscore(x.values, "band")
    with pytest.raises(TypeError, match="y: got list; wants a DataArray or a Dataset"):
        fx.denormalize([1.0], None, "band")
    with pytest.raises(TypeError, match="x: got dtype datetime64"):
        fx.channel_stats(x.time, None)
    with pytest.raises(TypeError, match="channel_dim: got None; wants one dimension"):
        fx.instance_norm(x, channel_dim=None)
    for several in (["time", "lat"], []):
        with pytest.raises(TypeError, match=r"sample_dim: got .*; wants one dimension"):
            fx.instance_norm(x, channel_dim="band", sample_dim=several)
    with pytest.raises(TypeError, match="dim: got None"):
        fx.layer_norm(x, dim=None)
    with pytest.raises(ValueError, match=r"channel_axis: got 4 for an array of shape"):
        fastbn.zscore(x, 4)
    with pytest.raises(ValueError, match=r"^axis: got 4 for an array of shape"):
        fastbn.layer_norm(x, axis=4)
    with pytest.raises(TypeError, match="got dict"):
        fx.denormalize(x, fx.channel_stats(x, "band"), "band", units={"t": "K"})
    with pytest.warns(UserWarning, match="Duplicate dimension names"):
        twice = xr.DataArray(np.ones((2, 2)), dims=["a", "a"])
    with pytest.raises(ValueError, match=r"x: got dimensions \('a', 'a'\); wants a different name for each"):
        fx.zscore(twice, "a")

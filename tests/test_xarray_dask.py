"""Labelled Dask arrays: nothing is computed before it is asked for, and then all variables at once."""

import numpy as np
import pytest

import fastbn
from labelled import scene

xr = pytest.importorskip("xarray")
fx = fastbn.xarray
dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")


def untouchable(x):
    """The same array over chunks that cannot be computed."""

    def refuse(block):
        raise AssertionError("computed")

    chunked = x.chunk({"time": 2, "band": 2})
    return chunked.copy(data=chunked.data.map_blocks(refuse, dtype=x.dtype, meta=np.empty((0,) * x.ndim, x.dtype)))


def counted(x, calls, key):
    """The same array; every chunk notes that it was computed."""

    def note(block):
        calls.append(key)
        return block

    chunked = x.chunk({"time": 1})
    return chunked.copy(data=chunked.data.map_blocks(note, dtype=x.dtype, meta=np.empty((0,) * x.ndim, x.dtype)))


def test_nothing_is_computed():
    x = untouchable(scene())
    stats = fx.channel_stats(scene(), "band")
    lazy = [
        fx.zscore(x, "band"),
        fx.zscore(x, ("lat", "band"), weights=np.cos(np.deg2rad(x.lat)), where=x.time > x.time[0]),
        fx.minmax_scale(x, "band", stats=stats),
        fx.normalize(x, stats, "band"),
        fx.denormalize(x, stats, "band", units="K"),
        fx.minmax_unscale(x, stats, "band"),
        fx.zscore(x.to_dataset(), "band", return_stats=True)[0]["t"],
        fastbn.zscore(x, 1),
        *fx.stats_dataset(x, "band").values(),
        *fx.stats_dataset(x.to_dataset(), ("band", "lat")).values(),
    ]
    for result in lazy:
        assert isinstance(result.data, da.Array)
    with pytest.raises(AssertionError, match="computed"):
        fx.channel_stats(x, "band")


def test_all_variables_are_computed_in_one_go():
    calls, runs = [], []
    source = scene()
    shared = counted(source, calls, "shared")
    x = xr.Dataset({"a": shared, "b": shared * 2.0, "c": counted(source, calls, "c"), "n": source})
    original = dask.threaded.get

    def get(*args, **kwargs):
        runs.append(1)
        return original(*args, **kwargs)

    with dask.config.set(scheduler=get):
        found = fx.channel_stats(x, "band")
    assert len(runs) == 1
    assert sorted(calls) == ["c"] * 4 + ["shared"] * 4
    assert found["a"].names == found["n"].names == ("red", "green", "nir")
    for name in x:
        np.testing.assert_allclose(found[name].mean, x[name].mean(["time", "lat", "lon"]), rtol=1e-14)


def test_statistics_and_results_have_the_bits_of_the_array_beneath():
    plain = scene()
    x = plain.chunk({"time": 3, "band": 2, "lat": 2})
    stats = fx.channel_stats(x, ("band", "lat"))
    assert stats == fastbn.channel_stats(x.data, (1, 2))
    assert fx.channel_stats(x, "band", method="exact") == fx.channel_stats(plain, "band", method="exact")
    y, lazy = fx.zscore(x, "band", return_stats=True)
    assert y.chunks == x.chunks
    computed, of_lazy = dask.compute(y, lazy)
    np.testing.assert_array_equal(computed, fastbn.zscore(plain.values, stats=of_lazy))
    assert fx.zscore(x, "band", stats=lazy).compute().identical(computed)
    found = fx.stats_dataset(x, ("lat", "band"))
    assert found["mean"].chunks == ((2, 2, 1), (2, 1))
    of_plain = fx.stats_dataset(plain, ("lat", "band"))
    xr.testing.assert_allclose(found.compute(), of_plain, rtol=1e-14)
    assert set(found.compute().coords) == set(of_plain.coords)


def test_names_of_lazy_statistics_are_those_of_the_labels():
    x = scene()
    stats = fx.channel_stats(x.chunk(), "band")
    assert stats.names == ("red", "green", "nir")
    with pytest.raises(ValueError, match="stats: got statistics of the channels"):
        fx.zscore(x.chunk()[:, ::-1], "band", stats=stats)


@pytest.mark.parametrize("where_it_is", ["values", "weights"])
def test_one_of_both_may_be_in_chunks(where_it_is):
    x, weights = scene(), np.cos(np.deg2rad(scene().lat))
    expected = fx.channel_stats(x, "band", weights=weights, method="compensated")
    x, weights = (x.chunk({"lat": 2}), weights) if where_it_is == "values" else (x, weights.chunk(lat=3))
    found = fx.channel_stats(x, "band", weights=weights)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-15)
    np.testing.assert_allclose(found.var(), expected.var(), rtol=1e-14)

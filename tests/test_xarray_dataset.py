"""Datasets, variable by variable; statistics as a Dataset."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle
from labelled import backed, labels, over_both, scene

xr = pytest.importorskip("xarray")
fx = fastbn.xarray


def dataset(backing="numpy"):
    """Two variables of numbers, one in another order, and two of other things."""
    x = scene()
    q = (scene("float32", 1) / 1000).transpose("lat", "band", "time", "lon").assign_attrs(units="kg kg-1")
    x = xr.Dataset(
        {"t": x, "label": ("band", list("rgn")), "q": q, "orography": x[0, 0].reset_coords(drop=True)},
        attrs={"title": "day"},
    )
    return backed(x, backing)


# Maps


@over_both
def test_each_variable_is_its_own(backing):
    x = dataset(backing)[["t", "q"]]
    before = x.copy(deep=True)
    y, stats = fx.zscore(x, "band", return_stats=True)
    assert list(stats) == ["t", "q"]
    assert y.attrs == {"title": "day"}
    assert list(y.data_vars) == ["t", "q"]
    for name in y:
        assert y[name].identical(fx.zscore(x[name], "band"))
        assert labels(y[name]) == labels(before[name])
        assert y[name].encoding == {}
    assert x.fastbn.zscore("band").identical(y)
    assert x.identical(before)
    assert x["t"].encoding == before["t"].encoding


@over_both
def test_fit_on_one_and_applied_to_another(backing):
    x = dataset(backing)[["t", "q"]]
    later = (x + 1.0).assign_coords(time=x.time + np.timedelta64(400, "D"))
    stats = fx.channel_stats(x, "band")
    assert all(isinstance(of_variable, fastbn.ChannelStats) for of_variable in stats.values())
    y = fx.zscore(later, "band", stats=stats)
    np.testing.assert_array_equal(y["t"].values, fastbn.zscore(later["t"].values, stats=stats["t"]))
    back = fx.denormalize(y, stats, "band", units={"t": "K", "q": "kg kg-1"})
    xr.testing.assert_allclose(back, later, rtol=1e-6)
    assert [back[name].attrs["units"] for name in back] == ["K", "kg kg-1"]
    merged = {name: stats[name] + of_later for name, of_later in fx.channel_stats(later, "band").items()}
    assert merged["q"].count.tolist() == [80] * 3
    assert fx.minmax_scale(later, "band", stats=merged)["t"].values.max() == 1.0
    with pytest.raises(ValueError, match="stats: got nothing for 'q'; wants an entry for each variable"):
        fx.zscore(later, "band", stats={"t": stats["t"]})
    with pytest.raises(TypeError, match="stats: got a Dataset; wants statistics by names of variables"):
        fx.zscore(later, "band", stats=fx.stats_dataset(x, "band"))


@over_both
def test_arguments_for_all_variables_and_for_each(backing):
    x = dataset(backing)[["t", "q"]]
    weights = np.cos(np.deg2rad(x.lat))
    every = fx.channel_stats(x, "band", weights=weights)
    assert every == fx.channel_stats(x, "band", weights={"t": weights, "q": weights.values[:, None, None, None]})
    where = x > x.mean()
    found = fx.channel_stats(x, "band", where=where)
    assert {name: s.count.sum() for name, s in found.items()} == {name: int(where[name].values.sum()) for name in x}
    y = fx.batch_norm(x, {"t": [1.0, 2.0, 3.0], "q": [0.0, 0.0, 0.0]}, channel_dim="band")
    assert y["t"].values.any()
    assert not y["q"].values.any()
    units = fx.denormalize(x, every, "band", units="1")
    assert units["t"].attrs["units"] == units["q"].attrs["units"] == "1"


@over_both
def test_running_statistics_of_all_variables_are_updated_or_none(backing):
    x = dataset(backing)[["t", "q"]]
    mean, var = {"t": np.zeros(3), "q": xr.DataArray(np.zeros(3), dims="band")}, {"t": np.ones(3), "q": np.ones(3)}
    for wrong, error in (({"running_var": var | {"q": np.ones(2)}}, ValueError), ({"where": {"t": None}}, ValueError)):
        with pytest.raises(error):
            fx.batch_norm(x, channel_dim="band", **{"running_mean": mean, "running_var": var} | wrong)
        assert not any(np.any(vector) for vector in mean.values())
        assert all(np.all(vector == 1) for vector in var.values())
    with pytest.raises(TypeError, match="running_mean: got ndarray for a Dataset in training; wants a mapping"):
        fx.batch_norm(x, channel_dim="band", running_mean=np.zeros(3), running_var=np.ones(3))
    fx.batch_norm(x, channel_dim="band", running_mean=mean, running_var=var)
    for name in x:
        np.testing.assert_allclose(mean[name], x[name].mean(["time", "lat", "lon"]) * 0.1, rtol=1e-6)
    y = fx.batch_norm(x, channel_dim="band", running_mean=np.zeros(3), running_var=np.ones(3), training=False, eps=0.0)
    np.testing.assert_allclose(y["t"], x["t"], rtol=1e-15)


@over_both
def test_quantiles_of_each_variable(backing):
    x = xr.Dataset({"t": scene("int16"), "q": scene("uint8", 1)})
    found = fx.channel_quantiles(backed(x, backing), [0.1, 0.5], "band")
    for name in x:
        assert found[name] == fx.channel_quantiles(x[name], [0.1, 0.5], "band")
        np.testing.assert_array_equal(found[name].values, np.quantile(x[name], [0.1, 0.5], (0, 2, 3)))
    y = fx.robust_scale(backed(x, backing), "band", stats=fx.channel_quantiles(x, [0.25, 0.5, 0.75], "band"))
    np.testing.assert_array_equal(y["q"].values, fastbn.robust_scale(x["q"].values))


@over_both
def test_variables_without_the_dimension_or_numbers(backing):
    x = dataset(backing)
    message = (
        r"x: got variables without a dimension that is named, or without numbers: 'label' \(dtype <U1\), 'orography' "
        r"\(no dimension 'band'\); wants others, or others='ignore'"
    )
    with pytest.raises(ValueError, match=message):
        fx.zscore(x, "band")
    with pytest.raises(ValueError, match=message):
        fx.stats_dataset(x, "band")
    y, stats = fx.zscore(x, "band", others="ignore", return_stats=True)
    assert list(y) == list(x)
    assert y[["label", "orography"]].identical(x[["label", "orography"]])
    assert list(stats) == list(fx.channel_stats(x, "band", others="ignore")) == ["t", "q"]
    assert list(fx.channel_quantiles(dataset(), 0.5, "band", others="ignore")) == ["t", "q"]
    with pytest.raises(ValueError, match="others: got 'keep'"):
        fx.zscore(x, "band", others="keep")
    with pytest.raises(ValueError, match="channel_dim: got 'bands'"):
        fx.zscore(x, "bands", others="ignore")
    assert fx.zscore(x.drop_vars("label"), None)["orography"].values.std() == pytest.approx(1.0)


def test_numbers_that_no_kernel_takes_are_refused_and_ignored():
    x = xr.Dataset({"t": scene(), "long": scene().astype(np.longdouble), "complex": scene() * 1j})
    with pytest.raises(ValueError, match=r"'long' \(dtype .*\), 'complex' \(dtype complex128\)"):
        fx.zscore(x, "band")
    assert list(fx.channel_stats(x, "band", others="ignore")) == ["t"]


def test_errors_name_the_variable():
    x = dataset()[["t", "orography"]]
    with pytest.raises(ValueError, match=r"weights: got dimensions \('band',\)") as caught:
        fx.zscore(x, "lat", weights=xr.DataArray(np.ones(3), dims="band"))
    assert caught.value.__notes__ == ["in variable 'orography'"]


@pytest.mark.parametrize("name", sorted(fx.HANDLERS))
def test_positions_mean_nothing_in_a_dataset(name):
    x = dataset()[["t", "q"]]
    arguments = {"normalize": [None], "denormalize": [None], "minmax_unscale": [None], "channel_quantiles": [0.5]}
    arguments |= {"group_norm": [3], "batch_norm_backward": [x, None], "group_norm_backward": [x, 3]}
    others = arguments.get(name, [x] if name.endswith("backward") else [])
    with pytest.raises(TypeError, match=r"^(x|y|dy): got a Dataset, whose variables have no axes in common"):
        getattr(fastbn, name)(x, *others)


def test_a_dataset_of_nothing():
    x = xr.Dataset(attrs={"title": "empty"})
    assert fx.zscore(x, None).identical(x)
    assert fx.channel_stats(x, None) == {}
    assert fx.stats_dataset(x, None).identical(x)


# Statistics as a Dataset


@given(
    st.permutations(["time", "band", "lat", "lon"]),
    st.sets(st.sampled_from(["time", "band", "lat", "lon"])),
    st.sampled_from(["float32", "float64", "int16"]),
    st.integers(0, 2),
)
def test_every_statistic_is_the_oracles(order, kept, dtype, ddof):
    x = scene(dtype).transpose(*order)
    kept = sorted(kept)
    found = fx.stats_dataset(x, kept, ddof=ddof, method="exact")
    values = x.transpose(*kept, ...).values
    axes = tuple(range(len(kept)))
    assert all(found[name].dims == tuple(kept) for name in found)
    np.testing.assert_array_equal(found["mean"], oracle.mean(values, axes))
    np.testing.assert_array_equal(found["var"], oracle.var(values, axes, ddof))
    np.testing.assert_array_equal(found["std"], oracle.std(values, axes, ddof))
    others = tuple(range(len(kept), x.ndim))
    np.testing.assert_array_equal(found["min"], values.min(others))
    np.testing.assert_array_equal(found["max"], values.max(others))
    assert found["max"].dtype == x.dtype
    size = values[(0,) * len(kept)].size
    assert set(np.ravel(found["count"])) == set(np.ravel(found["weight"])) == {size}


@over_both
def test_the_dataset_has_the_coordinates_of_the_channels_and_their_units(backing):
    x = backed(scene(), backing)
    found = x.fastbn.stats_dataset(("lat", "band"))
    assert list(found) == ["mean", "var", "std", "min", "max", "count", "n_missing", "weight"]
    assert set(found.coords) == {"lat", "band", "wavelength", "owner", "station"}
    assert found.indexes["band"].equals(x.indexes["band"])
    units = {name: found[name].attrs.get("units") for name in found}
    assert units == dict.fromkeys(["mean", "std", "min", "max"], "K") | {"var": "(K)^2"} | dict.fromkeys(
        ["count", "n_missing", "weight"]
    )
    assert found["mean"].attrs == {"long_name": "temperature", "units": "K"}
    assert "units" not in fx.stats_dataset(x.drop_attrs(), "band")["var"].attrs
    assert fx.stats_dataset(x.assign_attrs(units="1"), "band")["var"].attrs["units"] == "1"
    assert fx.stats_dataset(x, None)["mean"].dims == ()


@over_both
def test_statistics_of_a_dataset_are_a_dataset(backing):
    x = dataset(backing)
    found = fx.stats_dataset(x, "band", others="ignore")
    assert found.attrs == {"title": "day"}
    assert [name for name in found if name.endswith("_mean")] == ["t_mean", "q_mean"]
    of_q = fx.stats_dataset(x["q"], "band")
    assert all(found[f"q_{name}"].variable.identical(of_q[name].variable) for name in of_q)
    assert "label" not in found
    assert "orography_mean" not in found


def test_given_statistics_are_shown():
    x = scene()
    stats = fx.channel_stats(x, "band")
    assert fx.stats_dataset(x, "band", stats=stats).identical(fx.stats_dataset(x, "band"))
    twice = fx.stats_dataset(x, "band", stats=stats + stats)
    assert twice["count"].values.tolist() == [80] * 3
    y = x.to_dataset()
    assert fx.stats_dataset(y, "band", stats={"t": stats}).identical(fx.stats_dataset(y, "band"))
    with pytest.raises(ValueError, match="stats: got statistics of channel shape"):
        fx.stats_dataset(x, "lat", stats=stats.with_names(None))
    with pytest.raises(TypeError, match="stats: got dict"):
        fx.stats_dataset(x, "band", stats={"t": stats})


def test_names_that_clash_are_refused():
    x = scene()
    with pytest.raises(ValueError, match="x: got a coordinate named 'mean', as a statistic is"):
        fx.stats_dataset(x.rename(band="mean"), "mean")
    with pytest.raises(ValueError, match="x: got a coordinate named 'count'"):
        fx.stats_dataset(x.drop_vars("lat").rename(lat="count"), "count")
    with pytest.raises(ValueError, match="wants names that differ as text"):
        fx.stats_dataset(xr.Dataset({1: x, "1": x}), "band")
    assert "mean" not in fx.stats_dataset(x.assign_coords(mean=("time", range(4))), "band").coords
    assert fx.stats_dataset(x.rename(lat="mean"), "band")["mean"].dims == ("band",)

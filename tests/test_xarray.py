"""Functions of labelled arrays: by names what the others are by positions, and every label kept."""

import inspect
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle
from labelled import backed, labels, over_both, scene

xr = pytest.importorskip("xarray")
fx = fastbn.xarray

NAMES = ("time", "band", 0, ("x", 1), "lat")  # any hashable may name a dimension


@st.composite
def arrays(draw):
    """An array and some of its dimensions, both in any order."""
    dims = draw(st.permutations(NAMES))[: draw(st.integers(1, 4))]
    sizes = draw(st.lists(st.integers(1, 4), min_size=len(dims), max_size=len(dims)))
    dtype = draw(st.sampled_from(["float16", "float32", "float64", "int16", "uint8", "bool", "int64"]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    values = rng.integers(0, 2 if dtype == "bool" else 100, sizes).astype(dtype)
    if dtype.startswith("float"):
        values = (values + rng.normal(size=sizes)).astype(dtype)
        values[rng.random(sizes) < 0.1] = np.nan
    kept = tuple(draw(st.permutations(dims))[: draw(st.integers(0, len(dims)))])
    return xr.DataArray(values, dims=dims), kept


def by_hand(x, kept):
    """Values with the kept axes first, in their order, and these axes."""
    axes = [x.dims.index(dim) for dim in kept]
    return np.moveaxis(x.values, axes, range(len(axes))), tuple(range(len(axes)))


# By names


@given(arrays())
def test_statistics_are_those_of_the_exact_oracle_in_the_order_of_the_names(case):
    x, kept = case
    values, axes = by_hand(x, kept)
    stats = fx.channel_stats(x, kept or None, method="exact")
    assert stats.shape == tuple(x.sizes[dim] for dim in kept)
    np.testing.assert_array_equal(stats.mean, oracle.mean(values, axes))
    np.testing.assert_array_equal(stats.var(), oracle.var(values, axes))
    assert stats == fastbn.channel_stats(values, axes, method="exact")


@given(arrays(), st.sampled_from(["omit", "propagate"]))
def test_maps_by_names_are_maps_by_positions(case, policy):
    x, kept = case
    values, axes = by_hand(x, kept)
    y, stats = fx.zscore(x, kept, nan_policy=policy, method="exact", return_stats=True)
    expected = fastbn.zscore(values, axes, nan_policy=policy, method="exact")
    assert y.dims == x.dims
    np.testing.assert_array_equal(by_hand(y, kept)[0], expected)
    assert y.dtype == expected.dtype
    assert fx.zscore(x, kept, stats=stats).identical(y)
    back = fx.denormalize(y, stats, kept)
    np.testing.assert_array_equal(by_hand(back, kept)[0], fastbn.denormalize(expected, stats, axes))


@over_both
@pytest.mark.parametrize(
    ("name", "channel_dim", "arguments"),
    [
        ("zscore", "band", {"eps": 0.5, "ddof": 1}),
        ("zscore", ["band", "lat"], {}),
        ("zscore", None, {"dtype": "float32"}),
        ("minmax_scale", "lat", {"feature_range": (-1.0, 1.0)}),
        ("robust_scale", "band", {"quantile_range": (10.0, 90.0)}),
        ("batch_norm", "band", {"gamma": [1.0, 2.0, 3.0], "beta": [0.0, 1.0, 2.0]}),
        ("instance_norm", "band", {"gamma": [1.0, 2.0, 3.0]}),
        ("group_norm", "band", {"num_groups": 3, "beta": [1.0, 2.0, 3.0]}),
        ("layer_norm", ["lat", "lon"], {"gamma": np.arange(10.0).reshape(5, 2)}),
    ],
)
def test_every_map_keeps_the_labels_and_has_the_bits_of_the_plain_one(name, channel_dim, arguments, backing):
    plain = scene("int16" if name == "robust_scale" else "float64")  # whose histograms of chunks add up
    x = backed(plain, backing)
    before = x.copy(deep=True)
    parameter, position = ("dim", "axis") if name == "layer_norm" else ("channel_dim", "channel_axis")
    axes = None if channel_dim is None else plain.get_axis_num(channel_dim)
    y = getattr(fx, name)(x, **{parameter: channel_dim}, **arguments)
    expected = getattr(fastbn, name)(x.data, **{position: axes}, **arguments)
    assert type(y.data) is type(x.data)
    np.testing.assert_array_equal(y.values, np.asarray(expected))
    assert y.dtype == expected.dtype
    assert labels(y) == labels(before)
    assert y.attrs == {"long_name": "temperature"}
    assert y.encoding == {}
    positional = getattr(fastbn, name)(x, **{position: axes}, **arguments)
    assert positional.identical(y)
    assert getattr(x.fastbn, name)(**{parameter: channel_dim}, **arguments).identical(y)
    assert x.identical(before)
    assert x.encoding == before.encoding
    assert labels(x) == labels(before)


@over_both
def test_given_statistics_undone_and_units_given_back(backing):
    x = backed(scene(), backing)
    stats = fx.channel_stats(x, "band")
    assert isinstance(stats, fastbn.ChannelStats)
    y = fx.normalize(x, stats, "band", gamma=xr.DataArray([1.0, 2.0, 3.0], dims="band"))
    back = fx.denormalize(y, stats, "band", gamma=[1.0, 2.0, 3.0], units="K")
    assert back.attrs == {"long_name": "temperature", "units": "K"}
    np.testing.assert_allclose(back.values, x.values, rtol=1e-15)
    scaled = fx.minmax_scale(x, "band", stats=stats)
    assert fx.minmax_unscale(scaled, stats, "band").attrs == {"long_name": "temperature"}
    undone = fastbn.minmax_unscale(scaled, stats, 1)
    np.testing.assert_allclose(undone.values, x.values, rtol=1e-15)
    assert "units" not in fx.denormalize(x, stats, "band").attrs  # those it has are not those of the result


def test_attributes_of_the_result_are_its_own():
    x = scene()
    y = fx.zscore(x, "band")
    y.attrs["long_name"] = y.coords["band"].attrs["note"] = "mine"
    y.coords["month"].attrs["note"] = "mine"
    assert x.attrs["long_name"] == "temperature"
    assert not x.coords["band"].attrs
    assert not x.coords["month"].attrs


def test_attributes_that_describe_the_values_go():
    gone = [
        "units",
        "scale_factor",
        "add_offset",
        "_FillValue",
        "missing_value",
        "_Unsigned",
        "valid_min",
        "valid_max",
        "valid_range",
        "actual_range",
        "flag_values",
        "flag_masks",
        "flag_meanings",
    ]
    x = scene().assign_attrs(dict.fromkeys(gone, 1), note="stays")
    for y in (fx.zscore(x, "band"), fx.denormalize(x, fx.channel_stats(x, "band"), "band")):
        assert y.attrs == {"long_name": "temperature", "note": "stays"}


# Names of channels


@pytest.mark.parametrize(
    ("coordinate", "names"),
    [
        (["red", "nir"], ("red", "nir")),
        ([0.1, 2.0], ("0.1", "2.0")),
        (np.array([0.1, 2.0], np.float32), ("0.1", "2.0")),
        (np.array(["a", Fraction(1, 3)], object), ("a", "1/3")),
        ([7, 7], None),
        (None, None),
    ],
)
def test_labels_become_names(coordinate, names):
    coords = {} if coordinate is None else {"c": coordinate}
    x = xr.DataArray(np.arange(6.0).reshape(3, 2), coords, ["r", "c"])
    assert fx.channel_stats(x, "c").names == names
    assert fastbn.channel_stats(x).names == names
    assert fx.channel_quantiles(x, 0.5, "c").names == names
    assert fx.zscore(x, "c", return_stats=True)[1].names == names
    assert fx.channel_stats(x, ("r", "c")).names is None
    assert fx.channel_stats(x, None).names is None


@pytest.mark.filterwarnings("ignore:Converting non-nanosecond:UserWarning")  # of xarray before 2025.1
@pytest.mark.parametrize(("kind", "name"), [("datetime64", "2000-01-01 06:00:00"), ("timedelta64", "1 days 06:00:00")])
def test_names_of_times_do_not_depend_on_their_unit(kind, name):
    hours = np.array([0, 30] if kind == "timedelta64" else ["2000-01-01T00", "2000-01-01T06"], f"{kind}[h]")
    x = xr.DataArray(np.arange(6.0).reshape(3, 2), {"c": hours.astype(f"{kind}[ns]")}, ["r", "c"])
    stats = fx.channel_stats(x, "c")
    assert stats.names[1] == name
    assert fx.zscore(x.assign_coords(c=hours.astype(f"{kind}[s]")), "c", stats=stats).shape == x.shape


def test_statistics_of_other_channels_are_refused():
    x = scene()
    stats = fx.channel_stats(x, "band")
    with pytest.raises(
        ValueError, match=r"stats: got statistics of the channels red, green, nir; wants green, nir, red"
    ):
        fx.zscore(x.sel(band=["green", "nir", "red"]), "band", stats=stats)
    chosen = fx.zscore(x.sel(band=["nir"]), "band", stats=stats.select(["nir"]))
    assert chosen.identical(fx.zscore(x, "band").sel(band=["nir"]))
    unnamed = stats.with_names(None)
    assert fx.zscore(x, "band", stats=unnamed).identical(fx.zscore(x, "band"))
    with pytest.raises(ValueError, match="channel shape"):
        fx.zscore(x.sel(band=["nir"]), "band", stats=unnamed)


def test_statistics_of_one_order_of_dimensions_fit_another():
    x = scene()
    stats = fx.channel_stats(x, ("lon", "lat"))
    assert stats.shape == (2, 5)
    y = fx.zscore(x.transpose("lon", "band", "lat", "time"), ("lon", "lat"), stats=stats)
    assert y.dims == ("lon", "band", "lat", "time")
    np.testing.assert_array_equal(y.transpose(*x.dims).values, fx.zscore(x, ("lon", "lat"), stats=stats).values)


def test_a_multi_index_stays():
    x = xr.DataArray(np.arange(8.0).reshape(2, 2, 2), {"a": ["u", "v"], "b": [1, 2]}, ["a", "b", "c"])
    x = x.stack(pixel=("a", "b")).transpose("pixel", "c")
    y, stats = fx.zscore(x, "pixel", return_stats=True)
    assert y.indexes["pixel"].equals(x.indexes["pixel"])
    assert stats.names == ("('u', 1)", "('u', 2)", "('v', 1)", "('v', 2)")
    assert y.unstack("pixel").dims == ("c", "a", "b")
    assert fx.stats_dataset(x, "pixel").indexes["pixel"].equals(x.indexes["pixel"])
    assert fx.zscore(x, "c", weights=x.coords["b"]).identical(fx.zscore(x, "c", weights=x.coords["b"].values[:, None]))


@pytest.mark.parametrize("value", [3.0, np.nan])
def test_a_single_number(value):
    y = fx.zscore(xr.DataArray(value), None)
    assert y.dims == ()
    np.testing.assert_array_equal(y.values, value * 0)
    assert fx.channel_stats(xr.DataArray(value), None).count == 1
    assert fastbn.zscore(xr.DataArray(value), None).identical(y)


def test_empty_arrays():
    x = xr.DataArray(np.empty((0, 2), np.float32), {"c": ["a", "b"]}, ["r", "c"])
    assert fx.zscore(x, "c").identical(x)
    assert fx.channel_stats(x, "c").count.tolist() == [0, 0]
    assert np.isnan(fx.stats_dataset(x, "c")["mean"].values).all()


def test_coordinates_become_data():
    x = scene()
    for y in (fx.zscore(x.lat, None, dtype="float16"), fastbn.zscore(x.lat, None, dtype="float16")):
        assert y.name == "lat"
        assert y.dtype == np.float16
        assert y.indexes["lat"].equals(x.indexes["lat"])
        np.testing.assert_array_equal(y.values, fastbn.zscore(x.lat.values, None, dtype="float16"))
        y[0] = 7
        assert y.values[0] == 7
    assert x.lat.values[0] == y.coords["lat"].values[0] == -60
    refused = "an array that overlaps x" if x.lat.values.flags.writeable else "a read-only array"  # by xarray's version
    with pytest.raises(ValueError, match=f"out: got {refused}"):
        fx.zscore(x.lat, None, out=x.lat)


# What there is


def test_signatures_are_those_of_the_package_with_names_for_positions():
    for name in set(fx.__all__) - {"stats_dataset"}:
        ours, theirs = (inspect.signature(getattr(module, name)).parameters for module in (fx, fastbn))
        renamed = {"channel_axis": "channel_dim", "axis": "dim"}
        added = [parameter for parameter in ours if parameter in ("others", "units", "sample_dim")]
        assert [p for p in ours if p not in added] == [renamed.get(p, p) for p in theirs], name
        for parameter in theirs:
            if parameter not in renamed:
                assert ours[parameter].default == theirs[parameter].default, (name, parameter)
                assert ours[parameter].kind == theirs[parameter].kind, (name, parameter)
            else:
                assert ours[renamed[parameter]].default is inspect.Parameter.empty


@pytest.mark.parametrize("name", fx.__all__)
def test_parameters_are_documented_in_their_order(name):
    function = getattr(fx, name)
    section = inspect.getdoc(function).partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    heads = [line.partition(" : ")[0] for line in section.split("\n") if not line.startswith(" ")]
    assert ", ".join(heads).split(", ") == [*inspect.signature(function).parameters]


def test_every_function_of_arrays_takes_labelled_ones():
    takes_arrays = {
        name
        for name in fastbn.__all__
        if inspect.isfunction(getattr(fastbn, name))
        and next(iter(inspect.signature(getattr(fastbn, name)).parameters), None) in ("x", "y", "dy")
    }
    assert set(fx.HANDLERS) == takes_arrays - {"stream_from_host"}


def test_functions_and_the_accessor_are_public():
    for name in fx.__all__:
        function = getattr(fx, name)
        assert function.__module__ == "fastbn.xarray"
        assert pickle.loads(pickle.dumps(function)) is function
        method = getattr(scene().fastbn, name)
        assert method.__doc__ == function.__doc__
        assert [*inspect.signature(method).parameters] == [*inspect.signature(function).parameters][1:]
    assert "DataArray" in repr(scene().fastbn)
    assert "zscore" in dir(xr.Dataset({"t": scene()}).fastbn)

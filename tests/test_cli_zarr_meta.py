"""The command line and Zarr stores: groups, their metadata, and numbers that are packed."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

import fastbn
from fastbn.cli import main
from zarrs import FORMATS, VARIABLES, contents, group, numbers, opened, store

zarr = pytest.importorskip("zarr")

pytestmark = pytest.mark.usefixtures("folder")


@FORMATS
def test_variables_of_a_group(folder, zarr_format):
    arrays = group("x.zarr", zarr_format)
    assert main(["stats", "x.zarr", "--exact", "-o", "x.json"]) == 0
    stats = fastbn.ChannelStats.load("x.json")
    assert stats.names == VARIABLES
    alone = [fastbn.channel_stats(arrays[name], channel_axis=None, method="exact") for name in VARIABLES]
    np.testing.assert_array_equal(stats.mean, [one.mean for one in alone])
    assert main(["normalize", "x.zarr", "y.zarr", "--stats", "x.json"]) == 0
    for name, one in zip(VARIABLES, alone, strict=True):
        want = fastbn.normalize(arrays[name], stats=one, channel_axis=None)
        np.testing.assert_array_equal(opened("y.zarr", name)[...], want)
    there, made = contents(folder / "x.zarr"), contents(folder / "y.zarr")
    json_files = {path for path in there if path.suffix == ".json" or path.name.startswith(".z")}
    for path in there:
        if path.parts[0] in {"time", "time_bounds", "area", "flags", "waves"}:
            if path in json_files:
                assert json.loads(made[path]) == json.loads(there[path])
            else:
                assert made[path] == there[path]
    assert set(made) == set(there)
    root = zarr.open_group("y.zarr", mode="r")
    assert dict(root.attrs) == {"title": "a title"}
    assert root["t"].attrs["original_units"] == "K"
    assert "units" not in root["t"].attrs
    assert root["t"].metadata.dimension_names == ("time", "level", "x") if zarr_format == 3 else True


@FORMATS
def test_variables_that_are_picked_and_dimensions_that_are_kept(folder, zarr_format):
    arrays = group("x.zarr", zarr_format)
    argv = ["x.zarr", "--variables", "t,deep/er/t", "--channel-dim", "level"]
    assert main(["stats", *argv, "--exact", "-o", "x.json"]) == 0
    one = fastbn.channel_stats(arrays["t"], channel_axis=1, method="exact")
    two = fastbn.channel_stats(arrays["deep/er/t"], channel_axis=1, method="exact")
    stats = fastbn.ChannelStats.load("x.json")
    np.testing.assert_array_equal(stats.mean, [*one.mean, *two.mean])
    assert main(["normalize", "x.zarr", "y.zarr", "--stats", "x.json", *argv[1:]]) == 0
    np.testing.assert_array_equal(opened("y.zarr", "t")[...], fastbn.normalize(arrays["t"], stats=one, channel_axis=1))
    np.testing.assert_array_equal(opened("y.zarr", "n")[...], arrays["n"])


@FORMATS
@pytest.mark.parametrize("consolidated", [False, True])
def test_metadata_are_consolidated_if_they_were(folder, zarr_format, consolidated):
    group("x.zarr", zarr_format, consolidated=consolidated)
    assert main(["normalize", "x.zarr", "y.zarr"]) == 0
    made = zarr.open_group("y.zarr", mode="r")
    assert (made.metadata.consolidated_metadata is not None) == consolidated
    if consolidated:
        flat = made.metadata.consolidated_metadata.flattened_metadata
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alone = zarr.open_group("y.zarr", mode="r", use_consolidated=False)
            for name in (*VARIABLES, "time", "flags"):
                assert str(flat[name].to_dict()) == str(alone[name].metadata.to_dict())  # NaN is not NaN


def test_refusals_of_choices(refused_cleanly):
    group("x.zarr", 3)
    store("one.zarr", numbers((4, 2), "f4"))
    zarr.create_group("empty.zarr")
    assert "there is no 'u', only" in refused_cleanly("stats", "x.zarr", "--variables", "u")
    assert "x.zarr/flags: holds" in refused_cleanly("stats", "x.zarr", "--variables", "flags")
    assert "--channel-dim: no dimension 'x' among time, level" in refused_cleanly(
        "stats", "x.zarr", "--channel-dim", "x"
    )
    assert "--channel-dim: its axes have no names" in refused_cleanly("stats", "one.zarr", "--channel-dim", "x")
    assert "--variables means nothing for a Zarr array" in refused_cleanly("stats", "one.zarr", "--variables", "x")
    assert "--bands means nothing for a Zarr group" in refused_cleanly("stats", "x.zarr", "--bands", "1")
    assert "without variables" in refused_cleanly("stats", "empty.zarr")


# Numbers that are packed


@pytest.fixture
def climate(folder):
    """Sea surface temperatures off Peru, month by month, some of them missing."""
    xr = pytest.importorskip("xarray")
    table = pytest.importorskip("statsmodels.api").datasets.elnino.load().data
    values = table.to_numpy()[:, 1:].astype("f8")
    values[5, 3:7] = np.nan
    years = table.iloc[:, 0].to_numpy("i4")
    data = {"sst": (("year", "month"), values)}
    return xr.Dataset(data, {"year": years, "month": np.arange(12)}, {"source": "elnino"})


def written(data, name, zarr_format, **encoding):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.to_zarr(name, zarr_format=zarr_format, encoding={"sst": encoding}, consolidated=False)


def read_by_xarray(name):
    import xarray as xr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xr.open_zarr(name, consolidated=False) as data:
            return data.load()


ENCODINGS = {
    "packed": {"dtype": "i2", "scale_factor": 0.01, "add_offset": 20.0, "_FillValue": -32768},
    "unsigned": {"dtype": "u1", "scale_factor": 0.1, "add_offset": 10.0, "_FillValue": 255},
    "only scaled": {"dtype": "i4", "scale_factor": 0.001, "_FillValue": -1},
    "integers": {"dtype": "i2", "_FillValue": -999},
    "floats": {"dtype": "f4", "_FillValue": -9999.0},
    "as it comes": {},
    "two values": {"dtype": "i2", "scale_factor": 0.01, "missing_value": -1, "_FillValue": -1},
}


@FORMATS
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_numbers_are_unpacked_as_xarray_does(climate, zarr_format, encoding):
    written(climate, "x.zarr", zarr_format, **ENCODINGS[encoding])
    read = read_by_xarray("x.zarr").sst.values
    assert np.isnan(read[5, 3:7]).all()
    assert main(["stats", "x.zarr", "--channel-dim", "month", "--exact", "-o", "x.json"]) == 0
    stats = fastbn.ChannelStats.load("x.json")
    want = fastbn.channel_stats(read, channel_axis=1, nan_policy="omit", method="exact")
    np.testing.assert_array_equal(stats.count, want.count)
    np.testing.assert_array_equal(stats.mean, want.mean)
    argv = ["x.zarr", "y.zarr", "--channel-dim", "month", "--stats", "x.json", "--dtype", "float64"]
    assert main(["normalize", *argv]) == 0
    made = read_by_xarray("y.zarr")
    np.testing.assert_array_equal(made.sst.values, fastbn.normalize(read, stats=stats, channel_axis=1, dtype="float64"))
    assert made.sst.dtype == np.float64
    assert np.isnan(made.sst.encoding["_FillValue"])
    assert made.drop_vars("sst").identical(climate.drop_vars("sst"))
    assert not {"scale_factor", "add_offset"} & (made.sst.attrs.keys() | made.sst.encoding.keys())
    # What was missing is missing in the output as well.
    assert main(["stats", "y.zarr", "--channel-dim", "month", "-o", "y.json"]) == 0
    np.testing.assert_array_equal(fastbn.ChannelStats.load("y.json").count, want.count)


@FORMATS
def test_a_data_set_of_the_conventions_has_its_history(climate, zarr_format):
    written(climate.assign_attrs(Conventions="CF-1.11", history="measured"), "x.zarr", zarr_format)
    assert main(["normalize", "x.zarr", "y.zarr"]) == 0
    line = f"fastbn {fastbn.__version__}: new values of sst"
    assert read_by_xarray("y.zarr").attrs["history"] == f"measured\n{line}"
    assert read_by_xarray("y.zarr").attrs["Conventions"] == "CF-1.11"


@FORMATS
def test_the_fill_value_of_an_array_alone_is_a_number(folder, zarr_format):
    x = np.zeros((10, 2), "i2")
    x[3:] = 5
    store("x.zarr", x, zarr_format, chunks=(2, 2), fill_value=0)
    assert main(["stats", "x.zarr", "-o", "x.json"]) == 0
    np.testing.assert_array_equal(fastbn.ChannelStats.load("x.json").count, [10, 10])


@pytest.mark.parametrize(
    ("attributes", "count"),
    [
        ({"_FillValue": 3}, 9),
        ({"_FillValue": 3.5}, 10),
        ({"_FillValue": 2**70}, 10),
        ({"_FillValue": "three"}, 10),
        ({"missing_value": [3, 4], "_FillValue": 5}, 7),
        ({"_FillValue": -1, "_Unsigned": "true"}, 10),
        ({"_FillValue": True}, 10),
    ],
)
def test_values_that_stand_for_none(folder, attributes, count):
    store("x.zarr", np.arange(10, dtype="i2"), attributes=attributes)
    assert main(["stats", "x.zarr", "--channel-axis", "none", "-o", "x.json"]) == 0
    assert fastbn.ChannelStats.load("x.json").count == count


def test_a_sign_that_is_meant(folder):
    store("x.zarr", np.array([-1, 1, -56], "i1"), attributes={"_Unsigned": "true", "_FillValue": 200})
    assert main(["stats", "x.zarr", "--channel-axis", "none", "-o", "x.json"]) == 0
    stats = fastbn.ChannelStats.load("x.json")
    assert (stats.count, stats.min, stats.max) == (2, 1, 255)


@pytest.mark.parametrize("value", ["two", [1, 2], True, {}, 10**400])
def test_scales_that_are_none(refused_cleanly, value):
    store("x.zarr", numbers((4, 2), "i2"), attributes={"scale_factor": value})
    assert "x.zarr: its attribute scale_factor is" in refused_cleanly("stats", "x.zarr")

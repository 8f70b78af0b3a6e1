"""NetCDF files and the command line, of both formats, beside xarray."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
from fastbn.cli import main

h5netcdf = pytest.importorskip("h5netcdf")
h5py = pytest.importorskip("h5py")
xr = pytest.importorskip("xarray")
scipy_io = pytest.importorskip("scipy.io")

ENGINES = ["h5netcdf", "scipy"]  # NetCDF 4, and the classic format

pytestmark = pytest.mark.usefixtures("folder")


def climate():
    """Temperatures of the sea, by year and month, and a grid of them."""
    table = pytest.importorskip("statsmodels.api").datasets.elnino.load().data
    years = table["YEAR"].to_numpy().astype("i4")
    sea = table.drop(columns="YEAR").to_numpy()
    months = [f"m{number:02d}" for number in range(1, 13)]
    grid = (sea[:, :, None] + np.arange(3)).astype("f4")
    grid[3, 2, 1] = np.nan
    return xr.Dataset(
        {
            "sst": (("year", "month"), sea, {"units": "degC", "long_name": "sea surface temperature"}),
            "air": (("year", "month", "place"), grid, {"units": "degC", "cell_methods": "time: mean"}),
        },
        coords={
            "year": ("year", years, {"long_name": "year"}),
            "month": ("month", months),
            "place": ("place", np.array([-5.0, 0.0, 5.0]), {"units": "degrees_north"}),
            "area": ("place", np.array([1.0, 2.0, 3.0]), {"units": "km2"}),
        },
        attrs={"title": "El Niño", "history": "downloaded"},
    )


def saved(dataset, path, engine, **options):
    dataset.to_netcdf(path, engine=engine, unlimited_dims=["year"], **options)


def opened(path):
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        return dataset.load()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_climate_series(run, engine):
    data = climate()
    encoding = {"sst": {"_FillValue": None}}
    saved(data, "x.nc", engine, encoding=encoding)
    run("stats", "x.nc", "--variables", "air", "--channel-dim", "month", "--nan-policy", "omit", "-o", "s.json")
    run("normalize", "x.nc", "y.nc", "--variables", "air", "--channel-dim", "month", "--stats", "s.json")
    stats = fastbn.ChannelStats.load("s.json")
    assert stats.shape == (12,)
    expected = fastbn.normalize(data["air"].to_numpy(), stats, 1)
    made = opened("y.nc")
    np.testing.assert_array_equal(made["air"], expected)
    assert made["air"].dims == data["air"].dims
    assert made["air"].attrs == {"cell_methods": "time: mean", "original_units": "degC"}
    assert np.isnan(made["air"].encoding["_FillValue"])
    assert made.encoding["unlimited_dims"] == {"year"}
    assert made["sst"].attrs == data["sst"].attrs
    np.testing.assert_array_equal(made["sst"], data["sst"])
    for name in ("year", "place", "area"):
        assert made[name].identical(data[name].reset_coords(drop=True).assign_coords(made[name].coords))
    assert list(made["month"].to_numpy()) == list(data["month"].to_numpy())
    assert set(made.coords) == set(data.coords)
    assert made.attrs["title"] == "El Niño"
    assert made.attrs["history"].splitlines()[0] == "downloaded"
    assert made.attrs["history"].splitlines()[1].startswith("fastbn ")


def test_statistics_are_those_of_xarray_functions(run):
    data = climate()
    saved(data, "x.nc", "h5netcdf")
    run("stats", "x.nc", "--channel-dim", "month", "--nan-policy", "omit", "--exact", "-o", "s.json")
    stats = fastbn.ChannelStats.load("s.json")
    months = list(data["month"].to_numpy())
    assert stats.names == tuple(f"{name}:{month}" for name in ("sst", "air") for month in months)
    for name in ("sst", "air"):
        axis = data[name].dims.index("month")
        own = fastbn.channel_stats(data[name].to_numpy(), axis, nan_policy="omit", method="exact")
        part = stats.select([f"{name}:{month}" for month in months])
        np.testing.assert_array_equal(part.mean, own.mean)
        np.testing.assert_array_equal(part.std(), own.std())
        np.testing.assert_array_equal(part.count, own.count)


@pytest.mark.parametrize("engine", ENGINES)
def test_there_and_back(run, engine):
    table = pytest.importorskip("statsmodels.api").datasets.co2.load().data["co2"].interpolate()
    data = xr.Dataset({"co2": (("week",), table.to_numpy(), {"units": "ppm"})})
    data.to_netcdf("x.nc", engine=engine)
    run("stats", "x.nc", "-o", "s.json")
    run("normalize", "x.nc", "y.nc", "--stats", "s.json")
    run("denormalize", "y.nc", "z.nc", "--stats", "s.json")
    np.testing.assert_array_equal(opened("y.nc")["co2"], fastbn.zscore(table.to_numpy(), None))
    np.testing.assert_allclose(opened("z.nc")["co2"], table, rtol=1e-13)
    assert opened("z.nc")["co2"].attrs == {"original_units": "ppm"}  # nobody has said which they are now


PACKED = [
    ("i1", "f4", "f4"), ("i2", "f4", "f4"), ("i2", "f8", "f8"), ("i4", "f4", "f4"), ("i4", "f8", "f8"),
    ("i2", "f4", None), ("i2", None, "f4"), ("i2", "f4", "f8"), ("f4", "f8", "f8"),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "scale", "offset"), PACKED)
@pytest.mark.parametrize("engine", ENGINES)
def test_packed_values_are_read_as_xarray_reads_them(run, dtype, scale, offset, engine):
    rng = np.random.default_rng(2)
    raw = rng.integers(-100, 100, (30, 4)).astype(dtype)
    attributes = {"_FillValue": raw.dtype.type(-7), "missing_value": raw.dtype.type(3), "valid_range": [-50, 50]}
    attributes |= {} if scale is None else {"scale_factor": np.dtype(scale).type(0.1)}
    attributes |= {} if offset is None else {"add_offset": np.dtype(offset).type(273.15)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two values that stand for none
        xr.Dataset({"x": (("t", "c"), raw, attributes)}).to_netcdf("x.nc", engine=engine)
        with xr.open_dataset("x.nc", engine=engine) as dataset:
            values = dataset["x"].to_numpy().copy()
    run("stats", "x.nc", "--channel-dim", "c", "-o", "s.json")
    stats = fastbn.ChannelStats.load("s.json")
    whole = fastbn.channel_stats(values, 1, nan_policy="omit")
    np.testing.assert_array_equal(stats.count, whole.count)
    run("normalize", "x.nc", "y.nc", "--channel-dim", "c", "--stats", "s.json")
    made = opened("y.nc")["x"]
    assert made.dtype == values.dtype
    np.testing.assert_array_equal(made, fastbn.normalize(values, stats, 1))
    assert made.attrs == {}


def test_values_that_are_meant_unsigned(run):
    raw = np.array([[-1, 0], [1, -128]], "i1")
    with h5netcdf.File("x.nc", "w") as file:
        file.dimensions = {"t": 2, "c": 2}
        variable = file.create_variable("x", ("t", "c"), "i1", fillvalue=np.int8(-1))
        variable[...] = raw
        variable.attrs["_Unsigned"] = "true"
    run("normalize", "x.nc", "y.nc", "--dtype", "float64")
    meant = np.array([[np.nan, 0], [1, 128]])
    np.testing.assert_array_equal(opened("y.nc")["x"], fastbn.zscore(meant, None, nan_policy="omit"))


def test_what_describes_other_variables_is_left(run):
    with h5netcdf.File("x.nc", "w") as file:
        file.dimensions = {"t": 4, "two": 2}
        for name, dims in [
            ("t", ("t",)), ("t_bounds", ("t", "two")), ("area", ("t",)), ("lat", ("t",)), ("data", ("t",)),
            ("issued", ("t",)), ("crs", ()), ("g/data", ("t",)), ("g/lat", ("t",)), ("g/other", ("t",)),
        ]:  # fmt: skip
            file.create_variable(name, dims, "f8")[...] = 1.5
        file["t"].attrs["bounds"] = "t_bounds"
        file["data"].attrs["cell_measures"] = "area: area"
        file["data"].attrs["coordinates"] = "lat"
        file["data"].attrs["grid_mapping"] = "crs"
        file["issued"].attrs["units"] = "days since 2000-01-01"
        file["g/data"].attrs["coordinates"] = "lat"
    run("stats", "x.nc", "-o", "s.json")
    assert set(fastbn.ChannelStats.load("s.json").names) == {"data", "g/data", "g/other"}
    run("stats", "x.nc", "--variables", "area,g/lat", "-o", "t.json")
    assert fastbn.ChannelStats.load("t.json").names == ("area", "g/lat")
    run("normalize", "x.nc", "y.nc")
    with h5netcdf.File("y.nc") as made, h5netcdf.File("x.nc") as file:
        assert list(made.variables) == list(file.variables)
        assert made["data"].dimensions == ("t",)
        assert made["g/other"].dimensions == ("t",)
        assert dict(made["t"].attrs) == dict(file["t"].attrs)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_job_gives_the_same_bytes(run, engine, monkeypatch):
    saved(climate(), "x.nc", engine)
    run("normalize", "x.nc", "y.nc")
    monkeypatch.setattr("time.time", lambda: 0.0)
    run("normalize", "x.nc", "z.nc")
    assert Path("y.nc").read_bytes() == Path("z.nc").read_bytes()
    with h5py.File("y.nc") as file:
        assert not any(file[name].id.get_create_plist().get_obj_track_times() for name in ("/", "sst", "air", "year"))


def test_chunks_and_compression_stay(run):
    encoding = {"air": {"zlib": True, "complevel": 3, "shuffle": True, "chunksizes": (10, 12, 2)}}
    saved(climate(), "x.nc", "h5netcdf", encoding=encoding)
    run("normalize", "x.nc", "y.nc")
    with h5py.File("y.nc") as file:
        air = file["air"]
        assert (air.chunks, air.compression, air.compression_opts, air.shuffle) == ((10, 12, 2), "gzip", 3, True)


@pytest.mark.parametrize("engine", ENGINES)
def test_pieces_of_a_large_file(run, engine):
    x = np.random.default_rng(4).normal(3, 2, (5000, 4, 90)).astype("f4")
    data = xr.Dataset({"x": (("year", "c", "k"), x), "other": (("year", "k"), x[:, 0])})
    saved(data, "x.nc", engine, encoding={name: {"_FillValue": None} for name in data})
    whole = fastbn.channel_stats(x, 1)
    whole.save("s.json")
    argv = ["--variables", "x", "--channel-dim", "c", "--stats", "s.json", "--memory", "12MB"]
    run("normalize", "x.nc", "y.nc", *argv)
    made = opened("y.nc")
    np.testing.assert_array_equal(made["x"], fastbn.normalize(x, whole, 1))
    np.testing.assert_array_equal(made["other"], x[:, 0])


def classic():
    with scipy_io.netcdf_file("x.nc", "w") as file:
        file.createDimension("t", None)
        file.createDimension("c", 3)
        file.title = "a file"
        x = file.createVariable("x", "f4", ("t", "c"))
        x[:] = np.arange(12.0).reshape(4, 3)
        x.units = "K"
        flags = file.createVariable("flags", "i2", ("t",))
        flags[:] = range(4)
    return Path("x.nc").read_bytes()


def test_the_classic_format_by_its_content(run):
    classic()
    Path("x.nc").rename("x")
    run("normalize", "x", "y.nc", "--variables", "x")
    made = opened("y.nc")
    np.testing.assert_array_equal(made["x"], fastbn.zscore(np.arange(12, dtype="f4").reshape(4, 3), None))
    np.testing.assert_array_equal(made["flags"], range(4))
    assert made.encoding["unlimited_dims"] == {"t"}


def test_refused(refused):
    data = classic()
    Path("x.nc").write_bytes(b"CDF\x05" + data[4:])
    assert "nccopy" in refused("stats", "x.nc")
    Path("x.nc").write_bytes(data[:-20])
    assert "x.nc: not a NetCDF file, or a damaged one" in refused("stats", "x.nc")
    Path("x.nc").write_bytes(data[:4] + b"\xff\xff\xff\xff" + data[8:])
    assert "x.nc: " in refused("stats", "x.nc")
    Path("x.nc").write_bytes(b"")
    assert "x.nc: not a NetCDF file, or a damaged one" in refused("stats", "x.nc")
    Path("x.nc").write_bytes(data)
    assert "no dimension 'level' among c, t" in refused("stats", "x.nc", "--channel-dim", "level")
    assert "no 'y', only x, flags" in refused("stats", "x.nc", "--variables", "y")
    assert "--bands" in refused("stats", "x.nc", "--bands", "1")


@given(data=st.data())
def test_damaged_classic_files_are_read_or_refused(tmp_path, monkeypatch, capsys, data):
    monkeypatch.chdir(tmp_path)
    bad = bytearray(classic())
    for place in data.draw(st.lists(st.integers(0, len(bad) - 1), min_size=1, max_size=4)):
        bad[place] = data.draw(st.sampled_from([0, 1, 127, 255]) | st.integers(0, 255))
    Path("x.nc").write_bytes(bad[: data.draw(st.integers(0, len(bad)) | st.just(len(bad)))])
    code = main(["normalize", "x.nc", "y.nc", "--overwrite", "--memory", "64MB"])
    printed = capsys.readouterr()
    assert code in {0, 1}
    assert printed.err.count("\n") == code
    assert {path.name for path in tmp_path.iterdir()} <= {"x.nc", "y.nc"}

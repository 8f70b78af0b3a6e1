"""The command line and Zarr stores: values, metadata, packed numbers, stores that mean harm, jobs that are resumed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbn
from fastbn.cli import _journal, main

zarr = pytest.importorskip("zarr", minversion="3.0.8")
numcodecs = pytest.importorskip("numcodecs")

from fastbn.cli.formats import _zarr, _zarr_store  # noqa: E402 - they need the library

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and links of POSIX")
FORMATS = pytest.mark.parametrize("zarr_format", [2, 3])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(capsys, folder):
    """Run a command that must fail in one line and leave the folder as it is. Returns the line."""

    def call(*argv):
        before = contents(folder)
        assert main([str(part) for part in argv]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("fastbn: error: ")
        assert printed.err.count("\n") == 1
        assert contents(folder) == before
        return printed.err

    return call


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def store(name, values, zarr_format=3, **options):
    """An array in a store, written by the library."""
    options.setdefault("chunks", values.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # codecs that are not in the specification
        array = zarr.create_array(
            name, shape=values.shape, dtype=values.dtype, zarr_format=zarr_format, overwrite=True, **options
        )
        array[...] = values
    return array


def opened(name, path=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return zarr.open_array(name, path=path, mode="r")


def metadata(path, zarr_format=3):
    return json.loads((Path(path) / ("zarr.json" if zarr_format == 3 else ".zarray")).read_text())


def edited(path, zarr_format=3, /, **changes):
    """Change what the metadata of a store say."""
    file = Path(path) / ("zarr.json" if zarr_format == 3 else ".zarray")
    file.write_text(json.dumps(metadata(path, zarr_format) | changes))


def numbers(shape, dtype, seed=0):
    x = np.random.default_rng(seed).normal(100, 20, shape).round(1)
    return x.astype(dtype) if np.dtype(dtype) != bool else x > 100


# Values


@FORMATS
def test_photographs(folder, zarr_format):
    photo = pytest.importorskip("sklearn.datasets").load_sample_images().images[0]
    shards = {"shards": (256, 256, 3)} if zarr_format == 3 else {}
    store("photo.zarr", photo, zarr_format, chunks=(64, 128, 3), **shards)
    assert main(["stats", "photo.zarr", "--channel-axis", "2", "--exact", "-o", "photo.json"]) == 0
    exact = fastbn.channel_stats(photo, channel_axis=2, method="exact")
    assert fastbn.ChannelStats.load("photo.json").to_dict() == exact.to_dict()
    assert main(["normalize", "photo.zarr", "out.zarr", "--stats", "photo.json", "--channel-axis", "2"]) == 0
    np.testing.assert_array_equal(opened("out.zarr")[...], fastbn.normalize(photo, stats=exact, channel_axis=2))
    assert main(["quantiles", "photo.zarr", "--channel-axis", "2", "-q", "0.02", "0.98", "-o", "q.json"]) == 0
    quantiles = fastbn.channel_quantiles(photo, q=(0.02, 0.98), channel_axis=2)
    assert fastbn.ChannelQuantiles.load("q.json").to_dict() == quantiles.to_dict()


@st.composite
def layouts(draw):
    """Arrays of any rank, in chunks and shards that need not divide them."""
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    chunks = tuple(draw(st.integers(1, 12)) for _ in shape)
    zarr_format = draw(st.sampled_from([2, 3]))
    options = {"chunks": chunks}
    if zarr_format == 3 and draw(st.booleans()):
        options["shards"] = tuple(chunk * draw(st.integers(1, 3)) for chunk in chunks)
    names = ["int8", "uint16", "int32", "float16", "float32", "float64", "bool"]
    dtype = draw(st.sampled_from([*names, ">f4", ">i2"] if zarr_format == 2 else names))
    if zarr_format == 2:
        options["order"] = draw(st.sampled_from("CF"))
        options["compressors"] = draw(
            st.sampled_from(["auto", None, numcodecs.Blosc("zstd"), numcodecs.GZip(1), numcodecs.LZ4()])
        )
        options["chunk_key_encoding"] = {"name": "v2", "separator": draw(st.sampled_from("./"))}
        width = np.dtype(dtype).itemsize
        options["filters"] = draw(st.sampled_from([None, [numcodecs.Shuffle(width)]]))
    else:
        blosc = zarr.codecs.BloscCodec(typesize=np.dtype(dtype).itemsize, shuffle="shuffle")
        options["compressors"] = draw(
            st.sampled_from(["auto", None, blosc, [zarr.codecs.GzipCodec(level=1), zarr.codecs.Crc32cCodec()]])
        )
        options["filters"] = draw(st.sampled_from([None, [zarr.codecs.TransposeCodec(order=range(len(shape))[::-1])]]))
    return shape, dtype, zarr_format, options


@settings(max_examples=40)
@given(layout=layouts(), data=st.data())
def test_every_layout(tmp_path_factory, layout, data):
    shape, dtype, zarr_format, options = layout
    folder = tmp_path_factory.mktemp("layout")
    x = numbers(shape, dtype)
    there = store(str(folder / "x.zarr"), x, zarr_format, **options)
    kept = data.draw(st.sets(st.integers(0, len(shape) - 1)), label="kept")
    axes = ",".join(map(str, sorted(kept))) or "none"
    stats = fastbn.channel_stats(x, channel_axis=tuple(sorted(kept)))
    stats.save(folder / "x.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastbn.cli._flow.TILE", 20)  # several tiles, each of some chunks
        patch.setattr("fastbn.cli._flow.LEAST_VALUES", 1)
        patch.setattr(_zarr, "AT_ONCE", 2)
        argv = [folder / "x.zarr", folder / "y.zarr", "--stats", folder / "x.json", "--channel-axis", axes]
        assert main(["normalize", *map(str, argv)]) == 0
    made = opened(str(folder / "y.zarr"))
    want = fastbn.normalize(x, stats=stats, channel_axis=tuple(sorted(kept)))
    np.testing.assert_array_equal(made[...], want)
    assert made.dtype == want.dtype
    assert np.isnan(made.fill_value)
    for name in ("chunks", "shards", "order"):
        assert getattr(made, name) == getattr(there, name)
    assert list(map(type, made.compressors)) == list(map(type, there.compressors))
    assert list(map(type, made.filters)) == list(map(type, there.filters))
    assert {path.name.startswith("c") for path in (folder / "y.zarr").iterdir()} == {
        path.name.startswith("c") for path in (folder / "x.zarr").iterdir()
    }  # the keys of chunks are made in one way
    shutil.rmtree(folder)


@FORMATS
def test_compressors_are_kept_and_filters_only_if_they_lose_nothing(folder, zarr_format):
    x = numbers((20, 3), "i4")
    if zarr_format == 2:
        store("x.zarr", x, 2, filters=[numcodecs.Delta("i4"), numcodecs.Shuffle(4)], compressors=numcodecs.BZ2(3))
    else:
        kinds = pytest.importorskip("numcodecs.zarr3")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            codecs = {"filters": [kinds.Delta(dtype="i4")], "compressors": [kinds.Shuffle(elementsize=4), kinds.BZ2()]}
            store("x.zarr", x, 3, **codecs)
    assert main(["normalize", "x.zarr", "y.zarr", "--dtype", "float64"]) == 0
    np.testing.assert_array_equal(opened("y.zarr")[...], fastbn.zscore(x, dtype="float64"))
    if zarr_format == 2:
        assert metadata("y.zarr", 2)["filters"] == [{"id": "shuffle", "elementsize": 8}]
        assert metadata("y.zarr", 2)["compressor"] == {"id": "bz2", "level": 3}
    else:
        found = [(codec["name"], codec["configuration"]) for codec in metadata("y.zarr")["codecs"]]
        assert [name.removeprefix("numcodecs.") for name, _ in found] == ["bytes", "shuffle", "bz2"]
        assert found[1][1]["elementsize"] == 8


@FORMATS
def test_chunks_that_are_absent_hold_the_fill_value(folder, zarr_format):
    x = np.full((40, 3), 7, "i2")
    x[:10] = numbers((10, 3), "i2")
    array = zarr.create_array(
        "x.zarr", shape=x.shape, chunks=(10, 3), dtype="i2", fill_value=7, zarr_format=zarr_format
    )
    array[:10] = x[:10]
    assert main(["normalize", "x.zarr", "y.zarr"]) == 0
    np.testing.assert_array_equal(opened("y.zarr")[...], fastbn.zscore(x))


@FORMATS
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0)])
def test_scalars_and_empty_arrays(folder, zarr_format, shape):
    x = np.full(shape, 2.5)
    store("x.zarr", x, zarr_format, chunks=tuple(max(1, length) for length in shape))
    stats = fastbn.channel_stats(np.array([2.0, 4.0]), channel_axis=None)
    stats.save("x.json")
    assert main(["normalize", "x.zarr", "y.zarr", "--channel-axis", "none", "--stats", "x.json"]) == 0
    made = opened("y.zarr")
    assert made.shape == shape
    np.testing.assert_array_equal(made[...], fastbn.normalize(x, stats=stats, channel_axis=None))


def test_nothing_but_nan(folder):
    store("x.zarr", np.full((4, 2), np.nan))
    assert main(["normalize", "x.zarr", "y.zarr", "--nan-policy", "omit"]) == 0
    assert np.isnan(opened("y.zarr")[...]).all()


@FORMATS
def test_the_same_job_gives_the_same_bytes(folder, zarr_format):
    store("x.zarr", numbers((50, 4), "f4"), zarr_format, chunks=(9, 2))
    for name in ("y.zarr", "z.zarr"):
        assert main(["normalize", "x.zarr", name]) == 0
    assert contents(folder / "y.zarr") == contents(folder / "z.zarr")


@FORMATS
def test_in_place_and_as_part_of_a_directory(folder, zarr_format):
    x, y = numbers((50, 4), "f4"), numbers((30, 4), "f4", seed=1)
    Path("set/sub").mkdir(parents=True)
    store("set/x.zarr", x, zarr_format)
    store("set/sub/y.zarr", y, zarr_format)
    stats = fastbn.channel_stats(x).merge(fastbn.channel_stats(y))
    stats.save("both.json")
    assert main(["normalize", "set", "out", "--stats", "both.json"]) == 0
    np.testing.assert_array_equal(opened("out/sub/y.zarr")[...], fastbn.normalize(y, stats=stats))
    assert main(["normalize", "set", "--in-place", "--stats", "both.json"]) == 0
    assert contents(folder / "set") == contents(folder / "out")


# Groups


def group(name, zarr_format, *, consolidated=False):
    """A data set with coordinates, text, groups in groups; its arrays."""
    root = zarr.create_group(name, zarr_format=zarr_format, overwrite=True, attributes={"title": "a title"})
    arrays = {
        "t": (numbers((6, 3, 4), "f4"), ("time", "level", "x"), {"units": "K", "coordinates": "area"}),
        "n": (numbers((6, 3), "i2", 1), ("time", "level"), {}),
        "deep/er/t": (numbers((5, 3), "f8", 2), ("time", "level"), {}),
        "time": (np.arange(6), ("time",), {"bounds": "time_bounds"}),
        "time_bounds": (np.arange(12.0).reshape(6, 2), ("time", "two"), {}),
        "area": (np.arange(4.0), ("x",), {}),
        "flags": (np.array(list("abc"), "U1"), ("level",), {}),
        "waves": (np.array([1, 2j, 3]), ("level",), {}),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # text is not in the specification
        for path, (values, dims, attributes) in arrays.items():
            if zarr_format == 3:
                named = {"dimension_names": dims}
            else:
                named = {"fill_value": None}
                attributes["_ARRAY_DIMENSIONS"] = list(dims)
            array = root.create_array(
                path, shape=values.shape, dtype=values.dtype, chunks=tuple(min(2, n) for n in values.shape),
                attributes=attributes,
                **named,
            )  # fmt: skip
            array[...] = values
        if consolidated:
            zarr.consolidate_metadata(name, zarr_format=zarr_format)
    return {path: values for path, (values, _, _) in arrays.items()}


VARIABLES = ("deep/er/t", "n", "t")


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
    assert root["t"].attrs["units"] == "K"
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


def test_refusals_of_choices(refused):
    group("x.zarr", 3)
    store("one.zarr", numbers((4, 2), "f4"))
    zarr.create_group("empty.zarr")
    assert "there is no 'u', only" in refused("stats", "x.zarr", "--variables", "u")
    assert "x.zarr/flags: holds" in refused("stats", "x.zarr", "--variables", "flags")
    assert "--channel-dim: no dimension 'x' among time, level" in refused("stats", "x.zarr", "--channel-dim", "x")
    assert "--channel-dim: its axes have no names" in refused("stats", "one.zarr", "--channel-dim", "x")
    assert "--variables means nothing for a Zarr array" in refused("stats", "one.zarr", "--variables", "x")
    assert "--bands means nothing for a Zarr group" in refused("stats", "x.zarr", "--bands", "1")
    assert "without variables" in refused("stats", "empty.zarr")


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
def test_scales_that_are_none(refused, value):
    store("x.zarr", numbers((4, 2), "i2"), attributes={"scale_factor": value})
    assert "x.zarr: its attribute scale_factor is" in refused("stats", "x.zarr")


# Stores that mean harm


def bad(zarr_format=3, **changes):
    def make():
        store("x.zarr", numbers((4, 2), "f4"), zarr_format)
        edited("x.zarr", zarr_format, **changes)

    return make


def bad_codec(name, zarr_format=3, **options):
    if zarr_format == 2:
        return bad(2, filters=[{"id": name, **options}])
    return bad(codecs=[{"name": name, "configuration": options}, {"name": "bytes", "configuration": {}}])


def bad_text(text):
    def make():
        store("x.zarr", numbers((4, 2), "f4"))
        Path("x.zarr/zarr.json").write_bytes(text)

    return make


def sharded(**options):
    codecs = {"codecs": [{"name": "bytes", "configuration": {"endian": "little"}}], "index_codecs": []}
    return bad(codecs=[{"name": "sharding_indexed", "configuration": {"chunk_shape": [2, 2], **codecs, **options}}])


def regular(*lengths):
    return {"name": "regular", "configuration": {"chunk_shape": list(lengths)}}


BAD = {
    "empty": (bad_text(b""), "not the metadata"),
    "text": (bad_text(b"zarr"), "not the metadata"),
    "list": (bad_text(b"[]"), "no JSON object"),
    "cut": (bad_text(b'{"zarr_format": 3, "node_type": "arr'), "not the metadata"),
    "nested": (bad_text(b"[" * 10**6), "not the metadata"),
    "nested objects": (bad_text(b'{"a":' * 10**5), "not the metadata"),
    "digits": (bad_text(b'{"zarr_format": ' + b"9" * 10**5 + b"}"), "not the metadata"),
    "huge": (bad_text(b" " * (2**23 + 1)), "bytes of metadata"),
    "not UTF-8": (bad_text(b"\xff\xfe\xfd"), "not the metadata"),
    "node": (bad(node_type="file"), "neither an array nor a group"),
    "node of nodes": (bad(node_type=["array"]), "neither an array nor a group"),
    "separators": (bad(2, dimension_separator=["."]), "dimension_separator"),
    "other format": (bad_text(b'{"zarr_format": 7, "node_type": "array"}'), "neither an array nor a group"),
    "attributes": (bad(attributes=[1]), "attributes"),
    "pickle": (bad_codec("pickle"), "pickle"),
    "pickle by another name": (bad_codec("numcodecs.pickle"), "pickle"),
    "pickle in format 2": (bad(2, dtype="|O", filters=[{"id": "pickle", "protocol": 5}]), "pickle"),
    "pickle as compressor": (bad(2, compressor={"id": "pickle"}), "pickle"),
    "objects": (bad(2, dtype="|O", filters=[{"id": "json2"}]), "holds '|O', and no numbers"),
    "records": (bad(2, dtype=[["a", "<f4"]]), "no numbers"),
    "complex": (bad(data_type="complex64"), "no numbers"),
    "text values": (bad(data_type="string"), "no numbers"),
    "long floats": (bad(2, dtype="<f16"), "no numbers"),
    "codec": (bad_codec("rot13"), "'rot13' is not one that is known"),
    "codec in format 2": (bad_codec("rot13", 2), "'rot13' is not one that is known"),
    "codec in shards": (sharded(codecs=[{"name": "rot13"}]), "'rot13' is not one that is known"),
    "codec of indexes": (sharded(index_codecs=[{"name": "gzip"}]), "'gzip' is not one that is known"),
    "codec without name": (bad(codecs=[{}]), "None is not one that is known"),
    "codec of codecs": (bad(codecs=[[]]), "is not one that is known"),
    "codecs": (bad(codecs="bytes"), "codecs are not a list"),
    "no codecs": (bad(codecs=[]), "x.zarr"),
    "pointers": (bad_codec("delta", 2, dtype="O"), "no number's"),
    "more pointers": (bad_codec("astype", 2, encode_dtype="<i4", decode_dtype="O"), "no number's"),
    "zero": (bad_codec("numcodecs.shuffle", elementsize=0), "elementsize 0"),
    "large option": (bad_codec("blosc", blocksize=2**40), f"blocksize {2**40}"),
    "shape": (bad(shape="many"), "a shape that no array has"),
    "negative": (bad(shape=[-4, 2]), "a shape that no array has"),
    "truth value": (bad(shape=[True, 2]), "a shape that no array has"),
    "fraction": (bad(shape=[4.0, 2]), "a shape that no array has"),
    "axes": (bad(shape=[1] * 65), "a shape that no array has"),
    "overflow": (bad(shape=[2**70, 2]), "a shape that no array has"),
    "too large": (bad(shape=[2**62, 2**62]), "no array is as large"),
    "empty and too large": (bad(shape=[0, 2**62, 2**62], chunk_grid=regular(1, 1, 1)), "no array is as large"),
    "next to nothing": (bad(shape=[10**9, 10**9]), "next to nothing"),
    "next to nothing in format 2": (bad(2, shape=[10**9, 10**9]), "next to nothing"),
    "many chunks": (bad(shape=[10**5, 1], chunk_grid=regular(1, 1)), "next to nothing"),
    "chunks": (bad(chunk_grid=regular(0, 2)), "a chunk_shape that no array has"),
    "chunks in format 2": (bad(2, chunks=[0, 2]), "a chunks that no array has"),
    "axes of chunks": (bad(chunk_grid=regular(4)), "chunks of shape (4,)"),
    "large chunks": (bad(chunk_grid=regular(10**6, 10**6)), "--memory allows"),
    "large chunks in format 2": (bad(2, chunks=[10**6, 10**6]), "--memory allows"),
    "larger chunks": (bad(chunk_grid=regular(2**62, 2**62)), "no array is as large"),
    "large chunks of a large array": (bad(shape=[10**9, 10**9], chunk_grid=regular(10**9, 10**9)), "--memory allows"),
    "grid": (bad(chunk_grid={"name": "rectilinear"}), "not a regular one"),
    "keys": (bad(chunk_key_encoding={"name": "default", "configuration": {"separator": "../"}}), "chunk_key_encoding"),
    "keys in format 2": (bad(2, dimension_separator="../"), "dimension_separator"),
    "transformers": (bad(storage_transformers=[{"name": "link"}]), "storage transformers"),
    "shards": (sharded(chunk_shape=[3, 2]), "cannot be made of"),
    "shards in shards": (bad(codecs=[{"name": "sharding_indexed", "configuration": {}}] * 2), "shards in shards"),
    "fill": (bad(fill_value="lots"), "x.zarr"),
    "filters": (bad(2, filters={"id": "delta"}), "filters are not a list"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_metadata(refused, case):
    make, reason = BAD[case]
    make()
    assert reason in refused("stats", "x.zarr")
    assert reason in refused("normalize", "x.zarr", "y.zarr")


def test_many_chunks_in_a_shard(refused):
    options = {"chunk_shape": [1, 1], "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]}
    codecs = [{"name": "sharding_indexed", "configuration": options | {"index_codecs": []}}]
    bad(chunk_grid=regular(10**3, 10**3), codecs=codecs)()
    assert "shards of 1000000 chunks" in refused("stats", "x.zarr")


def test_pickles_are_not_even_copied(refused):
    group("x.zarr", 2)
    edited("x.zarr/flags", 2, dtype="|O", filters=[{"id": "pickle"}])
    assert "x.zarr/flags: holds Python objects" in refused("normalize", "x.zarr", "y.zarr")


@FORMATS
def test_consolidated_metadata_are_not_believed(folder, zarr_format):
    arrays = group("x.zarr", zarr_format, consolidated=True)
    store("secret.zarr", numbers((4, 2), "f4"))
    file = Path("x.zarr/zarr.json" if zarr_format == 3 else "x.zarr/.zmetadata")
    document = json.loads(file.read_text())
    there = document["consolidated_metadata"]["metadata"] if zarr_format == 3 else document["metadata"]
    for name in ("../secret.zarr", str(folder / "secret.zarr"), "..\\secret.zarr", "a\0b"):
        there[name if zarr_format == 3 else f"{name}/.zarray"] = metadata("x.zarr/t", zarr_format)
    file.write_text(json.dumps(document))
    assert main(["normalize", "x.zarr", "y.zarr"]) == 0
    assert "secret" not in (Path("y.zarr") / file.name).read_text()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {name for name, _ in zarr.open_group("y.zarr", mode="r").members(max_depth=None)}
    assert found == {*arrays, "deep", "deep/er"}


@POSIX
@pytest.mark.parametrize("name", ["a\\b", "a\nb", "a b", ".hidden"])
def test_odd_names_of_arrays(folder, name):
    arrays = group("x.zarr", 3)
    Path("x.zarr/n").rename(Path("x.zarr") / name)
    assert main(["normalize", "x.zarr", "y.zarr"]) == 0
    if name != ".hidden":
        np.testing.assert_array_equal(
            opened(str(Path("y.zarr") / name))[...], fastbn.zscore(arrays["n"], channel_axis=None)
        )


@POSIX
def test_names_that_are_not_utf_8(refused):
    group("x.zarr", 3)
    Path("x.zarr/n").rename(Path("x.zarr", os.fsdecode(b"\xff")))
    assert "no name in UTF-8" in refused("stats", "x.zarr")


@POSIX
@pytest.mark.parametrize(
    "linked", ["x.zarr/t", "x.zarr/t/c", "x.zarr/t/c/0/0/0", "x.zarr/t/zarr.json", "x.zarr/time/c/0"]
)
def test_links_are_not_followed(refused, linked):
    group("x.zarr", 3)
    Path(linked).rename("elsewhere")
    Path(linked).symlink_to(Path("elsewhere").absolute())
    line = refused("normalize", "x.zarr", "y.zarr")
    assert "symbolic link" in line or "no regular file" in line


@POSIX
def test_pipes_are_not_waited_for(refused):
    group("x.zarr", 3)
    for name in ("x.zarr/t/c/0/0/0", "x.zarr/time/c/0"):
        Path(name).unlink()
        os.mkfifo(name)
    assert "no regular file" in refused("stats", "x.zarr")
    assert "no regular file" in refused("normalize", "x.zarr", "y.zarr", "--variables", "n")


@FORMATS
@pytest.mark.parametrize("options", [{}, {"compressors": None}, {"shards": (20, 2)}])
@pytest.mark.parametrize("damage", ["cut", "emptied", "longer", "rubbish", "huge"])
def test_damaged_chunks(refused, capsys, zarr_format, options, damage):
    if zarr_format == 2 and "shards" in options:
        pytest.skip("format 2 has no shards")
    if options == {"compressors": None} and damage == "rubbish":
        pytest.skip("these are numbers as good as others")
    store("x.zarr", numbers((100, 2), "f4"), zarr_format, chunks=(10, 2), **options)
    fastbn.channel_stats(numbers((100, 2), "f4")).save("x.json")
    chunk = max(path for path in Path("x.zarr").rglob("*") if path.is_file() and path.name[0] not in ".z")
    data = chunk.read_bytes()
    new = {"cut": data[: len(data) // 2], "emptied": b"", "longer": bytes(99) + data, "rubbish": b"\xa5" * len(data)}
    if damage == "huge":
        with chunk.open("rb+") as file:
            file.truncate(2**40)  # a hole
    else:
        chunk.write_bytes(new[damage])
    if damage == "huge":  # not to be read by `contents`
        assert main(["normalize", "x.zarr", "y.zarr", "--stats", "x.json"]) == 1
        assert "more than a chunk" in capsys.readouterr().err
        assert {path.name for path in Path.cwd().iterdir()} == {"x.json", "x.zarr"}
        return
    reason = "an empty file" if damage == "emptied" else "x.zarr: not a Zarr file, or a damaged one"
    assert reason in refused("stats", "x.zarr")
    assert reason in refused("normalize", "x.zarr", "y.zarr", "--stats", "x.json")


@settings(max_examples=60)
@given(data=st.data(), zarr_format=st.sampled_from([2, 3]))
def test_flipped_bytes_end_well_or_in_one_line(tmp_path_factory, capsys, data, zarr_format):
    folder = tmp_path_factory.mktemp("flipped")
    x = str(folder / "x.zarr")
    options = {"shards": (4, 4)} if zarr_format == 3 and data.draw(st.booleans()) else {}
    store(x, numbers((9, 4), "i2"), zarr_format, chunks=(2, 2), attributes={"scale_factor": 0.5}, **options)
    files = sorted(path for path in Path(x).rglob("*") if path.is_file())
    metadata_files = [path for path in files if path.name == "zarr.json" or path.name.startswith(".z")]
    file = data.draw(st.sampled_from([*metadata_files, files[-1]]))
    content = bytearray(file.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from(b'0123456789"[]{},:-.eE ')))
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    file.write_bytes(content)
    code = main(["normalize", x, str(folder / "y.zarr"), "--memory", "20MB"])
    printed = capsys.readouterr()
    assert code in {0, 1}
    assert printed.err.count("\n") == code
    assert (folder / "y.zarr").exists() == (code == 0)
    assert len(list(folder.iterdir())) == 2 - code
    shutil.rmtree(folder)


# Jobs that are stopped


@FORMATS
@pytest.mark.parametrize("kind", ["array", "group"])
def test_a_job_is_resumed(folder, monkeypatch, capsys, zarr_format, kind):
    if kind == "array":
        options = {"shards": (12, 4)} if zarr_format == 3 else {}
        store("x.zarr", numbers((100, 4), "f4"), zarr_format, chunks=(6, 2), **options)
    else:
        group("x.zarr", zarr_format)
    monkeypatch.setattr(_journal, "EVERY", 0)
    monkeypatch.setattr(_journal, "SHARE", 0)
    monkeypatch.setattr("fastbn.cli._flow.TILE", 12)
    monkeypatch.setattr("fastbn.cli._flow.LEAST_VALUES", 1)
    argv = ["normalize", "x.zarr"]
    assert main([*argv, "whole.zarr"]) == 0
    write, written = _zarr.ZarrSink.write, []

    def failing(self, tile, values):
        if len(written) == 4:
            raise OSError(28, "No space left on device")
        write(self, tile, values)
        written.append(tile)

    monkeypatch.setattr(_zarr.ZarrSink, "write", failing)
    assert main([*argv, "y.zarr", "--resume"]) == 1
    assert "y.zarr: No space left on device" in capsys.readouterr().err
    assert len(list(folder.glob(".fastbn-*.tmp"))) == 1
    last = written[-1][0]
    monkeypatch.setattr(_zarr.ZarrSink, "write", write)
    resumed = []
    monkeypatch.setattr(_zarr.ZarrSource, "read", reading_noted(_zarr.ZarrSource.read, resumed))
    assert main([*argv, "y.zarr", "--resume"]) == 0
    assert last not in resumed
    assert contents(folder / "y.zarr") == contents(folder / "whole.zarr")
    assert {path.name for path in folder.iterdir()} == {"x.zarr", "y.zarr", "whole.zarr"}


def reading_noted(read, tiles):
    def noted(self, tile):
        tiles.append(tile[0])
        return read(self, tile)

    return noted


def test_a_store_that_somebody_changes_is_another(folder):
    store("x.zarr", numbers((100, 4), "f4"), chunks=(10, 4))
    identity = identity_of("x.zarr")
    assert identity_of("x.zarr") == identity
    assert json.loads(json.dumps(identity)) == identity
    store_array = zarr.open_array("x.zarr", mode="r+")
    store_array[:10] = 0
    changed = identity_of("x.zarr")
    assert changed != identity
    store_array.attrs["a"] = 1
    assert identity_of("x.zarr") != changed


def identity_of(name):
    from fastbn.cli._choice import Choice

    with _zarr.open_source(Path(name), Choice()) as source:
        return source.identity


def test_a_chunk_appears_when_it_is_whole(folder, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        _zarr_store._put(folder / "c/0", b"content")
    monkeypatch.undo()
    assert [path.name for path in (folder / "c").iterdir()] == [".0.partial"]
    _zarr_store._put(folder / "c/0", b"content")
    assert contents(folder / "c") == {Path("0"): b"content"}


SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored, in the background
from fastbn.cli import main
from fastbn.cli.formats import _zarr
write = _zarr.ZarrSink.write
def slow(self, tile, values):
    write(self, tile, values)
    print("writing", flush=True)
    time.sleep(0.2)
_zarr.ZarrSink.write = slow
import fastbn.cli._flow
fastbn.cli._flow.TILE = 100
sys.exit(main(["normalize", "x.zarr", "y.zarr"]))
"""


@POSIX
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signals_leave_nothing(folder, name):
    store("x.zarr", numbers((1000, 2), "f4"), chunks=(10, 2))
    before = contents(folder)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-W", "error", "-c", SLOW], **pipes) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.Signals[name])
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors in {f"fastbn: error: stopped by {name}\n", "fastbn: error: interrupted\n"}
    assert contents(folder) == before


def test_a_missing_library(refused, monkeypatch):
    store("x.zarr", numbers((4, 2), "f4"))
    for name in ("zarr", "zarr.storage"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("_zarr", "_zarr_bounds", "_zarr_store", "_zarr_metadata"):
        monkeypatch.delitem(sys.modules, f"fastbn.cli.formats.{name}")
    assert 'x.zarr: Zarr files need zarr: pip install "fastbn[zarr]"' in refused("stats", "x.zarr")

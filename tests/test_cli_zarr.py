"""The command line and Zarr stores: values, in every layout."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbn
from fastbn.cli import main
from zarrs import FORMATS, contents, metadata, numbers, opened, store

zarr = pytest.importorskip("zarr")
numcodecs = pytest.importorskip("numcodecs")

from fastbn.cli.formats import _zarr  # noqa: E402 - they need the library

pytestmark = pytest.mark.usefixtures("folder")


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

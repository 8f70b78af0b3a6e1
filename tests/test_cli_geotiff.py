"""GeoTIFF files on the command line: values, masks and all that is said beside them; scenes; hostile files."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastbn
from fastbn.cli import main

rasterio = pytest.importorskip("rasterio")
from affine import Affine  # noqa: E402
from rasterio.control import GroundControlPoint  # noqa: E402
from rasterio.enums import ColorInterp, MaskFlags  # noqa: E402
from rasterio.errors import NotGeoreferencedWarning  # noqa: E402
from rasterio.rpc import RPC  # noqa: E402


def from_origin(west, north, xsize, ysize):
    return Affine(xsize, 0, west, 0, -ysize, north)


PLACE = {"crs": "EPSG:32633", "transform": from_origin(500000, 5000000, 10, 10)}
SHAPE = (3, 50, 70)
TILED = {"tiled": True, "blockxsize": 16, "blockysize": 32}
GREATEST = np.iinfo(np.uint64).max


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def numbers(dtype="uint8", shape=SHAPE, seed=5):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 100, shape).astype(dtype)


def save(path, x, *, mask=None, say=lambda file: None, beside=False, **profile):
    count, height, width = x.shape
    whole = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": x.dtype.name, **PLACE}
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=not beside):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **{**whole, **profile}) as file:
            say(file)
            file.write(x)
            if mask is not None:
                file.write_mask(mask)


class Look:
    """What rasterio says of a file."""

    def __init__(self, path):
        with warnings.catch_warnings(), rasterio.open(path) as file:
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            self.values = file.read()
            self.mask = file.dataset_mask()
            self.spaces = file.tag_namespaces()
            self.tags = {name: file.tags(ns=name) for name in [None, *self.spaces]}
            self.band_tags = [file.tags(band) for band in file.indexes]
            for name in (
                "crs", "transform", "gcps", "rpcs", "descriptions", "units", "scales", "offsets", "colorinterp",
                "nodatavals", "mask_flag_enums", "block_shapes", "profile", "dtypes",
            ):  # fmt: skip
                setattr(self, name, getattr(file, name))


def there():
    return sorted(path.name for path in Path().iterdir())


def done(*argv):
    assert main([str(part) for part in argv]) == 0


@pytest.fixture
def refused(capfd):
    """Run a command that must fail in one line, also of what GDAL prints by itself. Returns the line."""

    def call(*argv):
        capfd.readouterr()
        assert main([str(part) for part in argv]) == 1
        printed = capfd.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("fastbn: error: ")
        assert printed.err.endswith("\n")
        assert printed.err.count("\n") == 1
        return printed.err

    return call


def normalized(x, absent=None, **options):
    """The library's answer to arrays in memory, missing values as NaN; of bands by their own statistics."""
    where = None if absent is None else ~np.broadcast_to(absent, x.shape)
    stats = fastbn.channel_stats(x, channel_axis=0, where=where)
    y = fastbn.normalize(x, stats=stats, channel_axis=0, **options)
    return y if absent is None else np.where(absent, np.float64(np.nan).astype(y.dtype), y)


LAYOUTS = {
    "strips": {},
    "tiles": TILED,
    "planes": {"interleave": "band"},
    "planes in tiles": {"interleave": "band", **TILED},
    "one strip": {"blockysize": 50, "compress": "deflate"},
    "deflate": {"compress": "deflate", "predictor": 2, **TILED},
    "lzw": {"compress": "lzw", "interleave": "band"},
    "big": {"bigtiff": "YES"},
    "big-endian": {"endianness": "BIG"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "float64"])
def test_bands_are_normalized_as_arrays_are(layout, dtype):
    x = numbers(dtype)
    save("x.tif", x, **LAYOUTS[layout])
    done("normalize", "x.tif", "y.tif")
    y, source = Look("y.tif"), Look("x.tif")
    np.testing.assert_array_equal(y.values, normalized(x))
    assert y.block_shapes == source.block_shapes
    assert y.crs == source.crs
    assert y.transform == source.transform
    for key in ("compress", "interleave", "tiled"):
        assert y.profile.get(key) == source.profile.get(key)
    predictor = y.tags["IMAGE_STRUCTURE"].get("PREDICTOR")
    assert predictor == ("3" if "predictor" in LAYOUTS[layout] else None)


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint64", "uint16"])
def test_integers_of_any_size_are_read(dtype):
    x = numbers(dtype)
    save("x.tif", x)
    done("normalize", "x.tif", "y.tif", "--dtype", "float32")
    np.testing.assert_array_equal(Look("y.tif").values, normalized(x, dtype="float32"))


def test_statistics_are_those_of_the_library(capsys):
    x = numbers()
    save("x.tif", x, say=lambda file: setattr(file, "descriptions", ("red", "green", "blue")))
    done("stats", "x.tif", "-o", "x.json", "--exact")
    stats = fastbn.ChannelStats.load("x.json")
    expected = fastbn.channel_stats(x, channel_axis=0, method="exact")
    assert stats.names == ("red", "green", "blue")
    np.testing.assert_array_equal(stats.mean, expected.mean)
    np.testing.assert_array_equal(stats.var(), expected.var())
    done("quantiles", "x.tif", "-q", "0.25", "0.5", "-o", "q.json")
    found = fastbn.ChannelQuantiles.load("q.json")
    np.testing.assert_array_equal(found.values, fastbn.channel_quantiles(x, (0.25, 0.5), channel_axis=0).values)


def test_a_normalization_is_undone():
    x = numbers()
    save("x.tif", x, **TILED)
    done("stats", "x.tif", "-o", "x.json")
    done("normalize", "x.tif", "y.tif", "--stats", "x.json", "--dtype", "float64")
    done("denormalize", "y.tif", "z.tif", "--stats", "x.json")
    np.testing.assert_allclose(Look("z.tif").values, x, rtol=1e-12)


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_bands_are_picked_and_ordered(interleave):
    x = numbers(shape=(4, 50, 70))
    say = lambda file: setattr(file, "descriptions", tuple("abcd"))  # noqa: E731
    save("x.tif", x, say=say, interleave=interleave)
    done("normalize", "x.tif", "y.tif", "--bands", "3,1,2")
    y = Look("y.tif")
    np.testing.assert_array_equal(y.values, normalized(x[[2, 0, 1]]))
    assert y.descriptions == ("c", "a", "b")


@pytest.mark.parametrize(
    ("options", "axis"),
    [(("--channel-axis", "1"), 1), (("--channel-axis", "none"), None), (("--channel-axis=-1",), 2),
     (("--channel-dim", "y"), 1), (("--channel-dim", "band,x"), (0, 2))],
)  # fmt: skip
def test_other_axes_are_kept(options, axis):
    x = numbers()
    save("x.tif", x, say=lambda file: setattr(file, "descriptions", ("red", "green", "blue")), **TILED)
    done("stats", "x.tif", "-o", "x.json", "--exact", *options)
    stats = fastbn.ChannelStats.load("x.json")
    expected = fastbn.channel_stats(x, channel_axis=axis, method="exact")
    np.testing.assert_array_equal(stats.mean, expected.mean)
    assert stats.names is None
    done("normalize", "x.tif", "y.tif", *options, "--dtype", "float64")
    expected = fastbn.normalize(x, stats=stats, channel_axis=axis, dtype="float64")
    np.testing.assert_allclose(Look("y.tif").values, expected, rtol=0, atol=1e-12)


def describe_all(file):
    file.update_tags(AUTHOR="nobody", TIFFTAG_SOFTWARE="a program", AREA_OR_POINT="Point")
    file.update_tags(ns="MINE", key="value=1")
    file.update_tags(ns="xml:XMP", **{"<a b": '"c=d"/>'})
    file.update_tags(1, STATISTICS_MEAN="50", STATISTICS_MAXIMUM="99", sensor="first")
    file.update_tags(2, ns="MINE", key="second")
    file.descriptions = ("red", "", "infrared")
    file.units = ("W", "", "K")
    file.colorinterp = [ColorInterp.gray, ColorInterp.undefined, ColorInterp.blue]


def test_what_is_said_beside_the_values_is_kept():
    x = numbers()
    save("x.tif", x, say=describe_all)
    done("normalize", "x.tif", "y.tif")
    source, y = Look("x.tif"), Look("y.tif")
    assert y.tags[None] == source.tags[None]
    assert y.tags["MINE"] == {"key": "value=1"}
    assert y.tags["xml:XMP"] == source.tags["xml:XMP"]
    assert y.band_tags[0] == {"sensor": "first"}
    for name in ("descriptions", "units", "colorinterp", "crs", "transform"):
        assert getattr(y, name) == getattr(source, name)
    assert y.nodatavals == (None,) * 3
    assert there() == ["x.tif", "y.tif"]


def test_colors_are_kept():
    x = numbers(shape=(4, 50, 70))
    save("x.tif", x, photometric="RGB", compress="jpeg", interleave="pixel", **{**TILED, "blockxsize": 32})
    done("normalize", "x.tif", "y.tif", "--bands", "1-3")
    y, source = Look("y.tif"), Look("x.tif")
    assert y.colorinterp == source.colorinterp[:3]
    assert y.profile["compress"] == "deflate"
    np.testing.assert_array_equal(y.values, normalized(source.values[:3]))


def test_control_points_and_coefficients_are_kept():
    points = [GroundControlPoint(row, col, 15 + col / 9, 50 - row / 9, 0) for row in (0, 49) for col in (0, 69)]
    rpcs = RPC(
        100.0, 20.0, 10.0, 1.0, [1.0] * 20, [2.0] * 20, 50.0, 30.0, 15.0, 1.0, [3.0] * 20, [4.0] * 20, 45.0, 35.0
    )

    def say(file):
        file.gcps = (points, rasterio.crs.CRS.from_epsg(4326))
        file.rpcs = rpcs

    save("x.tif", numbers(), say=say, crs=None, transform=None)
    done("normalize", "x.tif", "y.tif")
    y = Look("y.tif")
    assert [(p.row, p.col, p.x, p.y) for p in y.gcps[0]] == [(p.row, p.col, p.x, p.y) for p in points]
    assert y.gcps[1] == rasterio.crs.CRS.from_epsg(4326)
    assert y.rpcs == Look("x.tif").rpcs
    assert y.rpcs.line_off == rpcs.line_off


@pytest.mark.parametrize(("dtype", "nodata"), [("uint8", 7), ("int16", -9999), ("float32", 0.1), ("float64", np.nan),
                                               ("float32", np.inf), ("uint64", GREATEST)])  # fmt: skip
@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_nodata_is_missing(dtype, nodata, interleave):
    x = numbers(dtype)
    absent = np.random.default_rng(2).random(SHAPE) < 0.3
    x[x == 7] = 8
    x[absent] = nodata
    said = {} if nodata == GREATEST else {"nodata": nodata}
    save("x.tif", x, interleave=interleave, **said)
    if not said:  # rasterio writes a float where there is none
        tag_nodata("x.tif", str(nodata))
    done("normalize", "x.tif", "y.tif")
    y = Look("y.tif")
    np.testing.assert_array_equal(y.values, normalized(np.where(absent, 1, x).astype(dtype), absent))
    assert np.isnan(y.nodatavals).all()


def tag_nodata(path, text):
    """Let another program than rasterio say what stands for none."""
    with Path(path).open("r+b") as file:
        data = file.read()
        (start,) = struct.unpack_from("<I", data, 4)
        (count,) = struct.unpack_from("<H", data, start)
        entries = data[start + 2 : start + 2 + 12 * count]
        value = text.encode() + b"\0"
        inside = len(value) <= 4  # of the entry itself
        end = len(data) + (0 if inside else len(value) + len(value) % 2)
        entries += struct.pack("<HHI", 42113, 2, len(value)) + (value if inside else struct.pack("<I", len(data)))
        file.write(b"" if inside else value + b"\0" * (len(value) % 2))
        file.write(struct.pack("<H", count + 1) + entries + bytes(4))
        file.seek(4)
        file.write(struct.pack("<I", end))


@pytest.mark.parametrize("text", ["-9999", "300", "1.5", "nan", "1e400"])
def test_nodata_that_no_value_can_be_means_that_there_is_none(text):
    x = numbers()
    save("x.tif", x)
    tag_nodata("x.tif", text)
    done("normalize", "x.tif", "y.tif")
    y = Look("y.tif")
    np.testing.assert_array_equal(y.values, normalized(x))
    assert y.nodatavals == (None,) * 3


@pytest.mark.parametrize(("dtype", "values"), [("int16", (5, -3, None)), ("float32", (5.0, -3.0, np.nan))])
def test_every_band_can_have_nodata_of_its_own(dtype, values, refused):
    x = numbers(dtype)
    absent = np.zeros(SHAPE, bool)
    for band, value in enumerate(values):
        if value is not None:
            x[band, :9] = value
            absent[band] = (x[band] == value) | ((value != value) & np.isnan(x[band].astype(float)))
    save("x.tif", x)
    notes = "".join(
        f'<PAMRasterBand band="{band}"><NoDataValue>{value}</NoDataValue></PAMRasterBand>'
        for band, value in enumerate(values, 1)
        if value is not None
    )
    Path("x.tif.aux.xml").write_text(f"<PAMDataset>{notes}</PAMDataset>")
    done("normalize", "x.tif", "y.tif")
    np.testing.assert_array_equal(Look("y.tif").values, normalized(np.where(absent, 1, x).astype(dtype), absent))
    assert "nodata" in refused("stats", "x.tif", "--channel-axis", "1")
    done("stats", "x.tif", "--channel-axis", "1", "--bands", "1")
    done("stats", "x.tif", "--channel-axis", "0,1")


def test_nodata_can_be_given():
    x = numbers("float32")
    x[:, 3] = 0.1
    x[:, 4] = -1
    save("x.tif", x, nodata=-1)
    done("normalize", "x.tif", "y.tif", "--nodata", "0.1")
    absent = x == np.float32(0.1)
    y = Look("y.tif")
    np.testing.assert_array_equal(y.values, normalized(x, absent))
    assert np.isnan(y.nodatavals).all()


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("layout", ["strips", "planes", "deflate"])
def test_masks_hide_values_and_survive(beside, layout):
    x = numbers()
    mask = np.random.default_rng(2).random(SHAPE[1:]) < 0.7
    save("x.tif", x, mask=mask, beside=beside, **LAYOUTS[layout])
    assert Path("x.tif.msk").exists() is beside
    done("normalize", "x.tif", "y.tif")
    y = Look("y.tif")
    np.testing.assert_array_equal(y.values, normalized(x, ~mask))
    np.testing.assert_array_equal(y.mask, np.where(mask, 255, 0))
    assert all(flags == [MaskFlags.per_dataset] for flags in y.mask_flag_enums)
    assert not Path("y.tif.msk").exists()


def test_masks_and_nodata_add_up():
    x = numbers()
    mask = np.random.default_rng(2).random(SHAPE[1:]) < 0.7
    save("x.tif", x, mask=mask, nodata=7)
    done("normalize", "x.tif", "y.tif")
    np.testing.assert_array_equal(Look("y.tif").values, normalized(x, ~mask | (x == 7)))


@pytest.mark.parametrize("layout", ["strips", "tiles", "planes in tiles"])
def test_transparency_hides_values_and_is_kept(layout):
    x = numbers(shape=(4, 50, 70))
    x[1] = np.random.default_rng(2).integers(0, 3, SHAPE[1:])
    colors = [ColorInterp.red, ColorInterp.alpha, ColorInterp.green, ColorInterp.blue]
    save("x.tif", x, say=lambda file: setattr(file, "colorinterp", colors), **LAYOUTS[layout])
    done("normalize", "x.tif", "y.tif")
    y = Look("y.tif")
    assert list(y.colorinterp) == colors
    np.testing.assert_array_equal(y.values[1], x[1])
    np.testing.assert_array_equal(y.values[[0, 2, 3]], normalized(x[[0, 2, 3]], x[1] == 0))
    done("normalize", "x.tif", "some.tif", "--bands", "3,1")
    np.testing.assert_array_equal(Look("some.tif").values, normalized(x[[2, 0]], x[1] == 0))
    done("normalize", "x.tif", "named.tif", "--bands", "1,2")
    np.testing.assert_array_equal(Look("named.tif").values, normalized(x[[0, 1]]))


@pytest.mark.parametrize(
    ("dtype", "offset", "physical"),
    [("int16", 0.0, "float32"), ("int16", -3.5, "float64"), ("int32", 0.0, "float64"), ("float32", 0.0, "float64")],
)
def test_scales_and_offsets_make_physical_values(dtype, offset, physical):
    x = numbers(dtype)
    x[:, 5] = -9

    def say(file):
        file.scales, file.offsets = (0.1, 1.0, 2.0), (offset, 0.0, 0.0)

    save("x.tif", x, say=say, nodata=-9)
    scales = np.array([0.1, 1, 2])[:, None, None]
    values = (x * scales + np.array([offset, 0, 0])[:, None, None]).astype(physical)
    done("normalize", "x.tif", "y.tif")
    y = Look("y.tif")
    assert set(y.dtypes) == {physical}
    np.testing.assert_array_equal(y.values, normalized(values, x == -9))
    assert (y.scales, y.offsets) == ((1.0,) * 3, (0.0,) * 3)


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_repeated_jobs_give_the_same_bytes(interleave):
    x = numbers("uint16", (4, 700, 900))
    mask = np.random.default_rng(2).random((700, 900)) < 0.7
    layout = {"compress": "deflate", "interleave": interleave, "tiled": True, "blockxsize": 64, "blockysize": 64}
    colors = [ColorInterp.gray, ColorInterp.alpha, ColorInterp.undefined, ColorInterp.undefined]
    save("x.tif", x, mask=mask, say=lambda file: setattr(file, "colorinterp", colors), **layout)
    for name, *options in (("a.tif",), ("b.tif",), ("c.tif", "--threads", "1")):
        done("normalize", "x.tif", name, "--memory", "20MB", *options)
    contents = [Path(name).read_bytes() for name in ("a.tif", "b.tif", "c.tif")]
    assert contents[0] == contents[1] == contents[2]
    # As long as a file that is written at once: no block has been written twice.
    y = Look("a.tif")
    save("once.tif", y.values, mask=y.mask, **layout)
    assert len(contents[0]) < Path("once.tif").stat().st_size + 10**4


def test_half_precision_is_refused_before_anything_is_read(refused):
    save("x.tif", numbers())
    assert "float16" in refused("normalize", "x.tif", "y.tif", "--dtype", "float16", "--dry-run")


def test_world_files_place_an_image():
    save("x.tif", numbers(), crs=None, transform=None)
    Path("x.tfw").write_text("2\n0\n0\n-2\n101\n199\n")
    done("normalize", "x.tif", "y.tif")
    assert Look("y.tif").transform == from_origin(100, 200, 2, 2)


def test_photographs_are_scenes_of_one_data_set():
    pictures = pytest.importorskip("sklearn.datasets").load_sample_images().images
    whole = []
    for number, picture in enumerate(pictures):
        for half in range(2):
            x = np.moveaxis(picture[:, half * 320 : half * 320 + 320], -1, 0).copy()
            x[x == 0] = 1
            x[:, :20] = x[:, :, :15] = 0  # a border without data
            whole.append(x)
            place = {"crs": "EPSG:32633", "transform": from_origin(500000 + 320 * half, 5000000 + number, 1, 1)}
            Path(f"scenes/{number}").mkdir(parents=True, exist_ok=True)
            save(f"scenes/{number}/{half}.tif", x, nodata=0, photometric="RGB", compress="lzw", **place)
    done("stats", "scenes", "-o", "scenes.json", "--exact")
    every = np.stack(whole)
    expected = fastbn.channel_stats(every, channel_axis=1, nodata=0, method="exact")
    stats = fastbn.ChannelStats.load("scenes.json")
    for name in ("count", "mean", "min", "max"):
        np.testing.assert_array_equal(getattr(stats, name), getattr(expected, name))
    np.testing.assert_array_equal(stats.var(), expected.var())
    done("normalize", "scenes", "out", "--stats", "scenes.json")
    for number, x in enumerate(whole):
        name = f"{number // 2}/{number % 2}.tif"
        y, source = Look(f"out/{name}"), Look(f"scenes/{name}")
        z = fastbn.normalize(x, stats=stats, channel_axis=0)
        np.testing.assert_array_equal(y.values, np.where(x == 0, np.float32(np.nan), z))
        assert (y.crs, y.transform, y.colorinterp) == (source.crs, source.transform, source.colorinterp)
        np.testing.assert_array_equal(y.mask, source.mask)


def test_files_are_replaced_in_place():
    x = numbers()
    save("x.tif", x)
    done("normalize", "x.tif", "--in-place")
    np.testing.assert_array_equal(Look("x.tif").values, normalized(x))


def header(*entries, start=8):
    """The start of a file: little-endian, with these tags (number, type, count, value)."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", start, len(entries)) + body + bytes(4)


def claims(width, height, block=None):
    rows = ((278, 4, 1, height),) if block is None else ((322, 4, 1, block), (323, 4, 1, block))
    where = (273, 279) if block is None else (324, 325)
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    entries += [*rows, (where[0], 4, 1, 0), (where[1], 4, 1, 0)]
    return header(*sorted(entries))


BAD_FILES = {
    "empty": b"",
    "short": b"II*\0",
    "text": b"a,b\n1,2\n",
    "zip": b"PK\x03\x04" + bytes(60),
    "remote": b"<VRTDataset/>",
    "directory far away": b"II*\0" + struct.pack("<I", 2**31) + bytes(100),
    "directory in a circle": b"II*\0" + struct.pack("<IH", 8, 0) + struct.pack("<I", 8),
    "no tags": header(),
    "absurd": claims(10**9, 10**9),
    "absurd tiles": claims(10**9, 10**9, 256),
    "one huge tile": claims(2**31 - 16, 2**31 - 16, 2**31 - 16),
    "huge block": claims(60000, 60000, 2**16),
    "much of nothing": claims(2**20, 2**20, 2**15),
    "no width": claims(0, 10),
    "big and cut": b"II+\0\x08\0\0\0" + bytes(4),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_damaged_files_are_refused(name, refused):
    Path("bad.tif").write_bytes(BAD_FILES[name])
    assert "bad.tif" in refused("stats", "bad.tif")
    assert "bad.tif" in refused("normalize", "bad.tif", "y.tif")
    assert there() == ["bad.tif"]


@pytest.mark.parametrize("layout", ["strips", "deflate"])
def test_truncated_files_are_refused(layout, refused):
    save("x.tif", numbers(), **LAYOUTS[layout])
    data = Path("x.tif").read_bytes()
    for part in (0.1, 0.5, 0.95):
        Path("cut.tif").write_bytes(data[: int(len(data) * part)])
        refused("stats", "cut.tif")
        refused("normalize", "cut.tif", "y.tif")
    assert there() == ["cut.tif", "x.tif"]


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_numbers_are_refused(dtype, refused):
    save("x.tif", numbers().astype(dtype))
    assert "complex" in refused("stats", "x.tif")


def test_bands_that_are_not_there_are_refused(refused):
    save("x.tif", numbers())
    assert "no band 4" in refused("stats", "x.tif", "--bands", "1,4")
    assert "--columns" in refused("stats", "x.tif", "--columns", "a")
    assert "axis" in refused("stats", "x.tif", "--channel-axis", "3")
    assert "dimension" in refused("stats", "x.tif", "--channel-dim", "z")


def test_an_image_of_transparency_alone_is_refused(refused):
    save("x.tif", numbers(shape=(1, 5, 5)), say=lambda file: setattr(file, "colorinterp", [ColorInterp.alpha]))
    assert "transparency" in refused("stats", "x.tif")


def test_nan_only_files_stay_nan():
    save("x.tif", np.full(SHAPE, np.nan, "float32"))
    done("normalize", "x.tif", "y.tif")
    assert np.isnan(Look("y.tif").values).all()


def test_sparse_files_are_read():
    save("x.tif", numbers(shape=(1, 4, 4)))
    with rasterio.open("x.tif", "w", driver="GTiff", count=1, height=2000, width=2000, dtype="uint8", sparse_ok=True,
                       **PLACE):  # fmt: skip
        pass
    assert Path("x.tif").stat().st_size < 10**5
    done("normalize", "x.tif", "y.tif")
    assert not Look("y.tif").values.any()


def test_large_blocks_need_memory(refused):
    x = np.zeros((1, 1200, 1200), np.uint8)
    save("x.tif", x, compress="deflate", blockysize=1200)
    assert "--memory" in refused("normalize", "x.tif", "y.tif", "--memory", "3MB")


@pytest.mark.parametrize("name", ["GTIFF_DIR:1:x.tif", "/vsizip/x.zip/x.tif", "/vsicurl/http://127.0.0.1:9/x.tif",
                                  "zip+file://x.zip!x.tif"])  # fmt: skip
def test_names_are_those_of_files(name, refused):
    save("x.tif", numbers())
    refused("stats", name)


@pytest.mark.skipif(os.name != "posix", reason="no such names")
def test_files_may_be_called_as_gdal_calls_other_things():
    x = numbers()
    for name in ("GTIFF_DIR:1:x.tif", "a,b.tif", "vsizip", "x?.tif", "é.tif"):
        save("plain.tif", x)
        Path("plain.tif").rename(name)
        done("normalize", name, "y.tif", "--overwrite")
        np.testing.assert_array_equal(Look("y.tif").values, normalized(x))


HOSTILE = """
from fastbn.cli import main
print(main(["normalize", "x.tif", "y.tif"]))
"""
VRT = """<VRTDataset rasterXSize="70" rasterYSize="50"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>
<SourceFilename relativeToVRT="0">secret.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource>
</VRTRasterBand></VRTDataset>"""
ELSEWHERE = '<Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">secret.tif</MDI></Metadata>'
ENTITY = '<!DOCTYPE a [<!ENTITY b SYSTEM "secret.tif">]>'
BESIDE = {
    "notes on overviews": ("x.tif.aux.xml", f"<PAMDataset>{ELSEWHERE}</PAMDataset>"),
    "overviews": ("x.tif.ovr", VRT),
    "notes that are none": ("x.tif.aux.xml", "<PAMDataset" * 1000),
    "entities": ("x.tif.aux.xml", f"{ENTITY}<PAMDataset><SRS>&b;</SRS></PAMDataset>"),
    "a system in a file": ("x.tif.aux.xml", "<PAMDataset><SRS>secret.tif</SRS></PAMDataset>"),
}


@pytest.mark.skipif(os.name != "posix", reason="pipes with names")
@pytest.mark.parametrize("name", BESIDE)
def test_what_is_beside_a_file_opens_no_other(name):
    x = numbers()
    save("x.tif", x, say=lambda file: file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE="secret.tif"))
    path, text = BESIDE[name]
    Path(path).write_text(text)
    os.mkfifo("secret.tif")  # who opens it waits for ever
    ran = subprocess.run([sys.executable, "-c", HOSTILE], capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout.splitlines()[-1] in {"0", "1"}
    assert ran.stderr.count("\n") <= 1
    if Path("y.tif").exists():
        np.testing.assert_array_equal(Look("y.tif").values, normalized(x))


def test_masks_beside_a_file_are_geotiff_files(refused):
    save("x.tif", numbers())
    Path("x.tif.msk").write_text(VRT)
    assert "x.tif.msk" in refused("stats", "x.tif")
    save("x.tif.msk", numbers(shape=(1, 5, 5)))
    assert "mask" in refused("stats", "x.tif")


def test_endless_notes_are_refused(refused):
    save("x.tif", numbers())
    with Path("x.tif.aux.xml").open("wb") as file:
        file.truncate(2**25)
    assert "x.tif.aux.xml" in refused("stats", "x.tif")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "x.tif"
    save(path, numbers(shape=(2, 20, 24)), compress="deflate", say=lambda file: file.update_tags(a="b"), nodata=3)
    return path.read_bytes()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_are_survived(data, good, capfd):
    flips = data.draw(st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=4))
    bad = bytearray(good)
    for place, value in flips:
        bad[place] = value
    Path("bad.tif").write_bytes(bad)
    capfd.readouterr()
    code = main(["normalize", "bad.tif", "y.tif", "--overwrite", "--memory", "20MB"])
    printed = capfd.readouterr()
    assert code in {0, 1}
    assert printed.err.count("\n") == code

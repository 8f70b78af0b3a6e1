"""GeoTIFF files on the command line: values, and all that is said beside them; scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastbn
from geotiffs import LAYOUTS, TILED, Look, done, from_origin, normalized, numbers, save, there

rasterio = pytest.importorskip("rasterio")
from rasterio.control import GroundControlPoint  # noqa: E402
from rasterio.enums import ColorInterp  # noqa: E402
from rasterio.rpc import RPC  # noqa: E402

pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "float64"])
def test_bands_are_normalized_as_arrays_are(layout, dtype):
    x = numbers(dtype)
    options = dict(LAYOUTS[layout])
    if dtype == "float64" and "predictor" in options:
        options["predictor"] = 3  # not every libtiff has 2 for 64 bits
    save("x.tif", x, **options)
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


@pytest.mark.skipif(rasterio.dtypes.check_dtype("float16"), reason="this rasterio writes float16")
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

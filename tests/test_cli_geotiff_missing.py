"""GeoTIFF files on the command line: what is missing in them, and what values stand for."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from geotiffs import LAYOUTS, SHAPE, Look, done, normalized, numbers, save

rasterio = pytest.importorskip("rasterio")
from rasterio.enums import ColorInterp, MaskFlags  # noqa: E402

pytestmark = pytest.mark.usefixtures("folder")


GREATEST = np.iinfo(np.uint64).max


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


@pytest.mark.parametrize("scale", [1e-41, 1e37])
def test_scales_beyond_float32(scale):
    x = numbers("uint16", (1, 20, 30))
    save("x.tif", x, say=lambda file: setattr(file, "scales", (scale,)))
    done("normalize", "x.tif", "y.tif", "--method", "minmax")
    wanted = (x - float(x.min())) / (float(x.max()) - float(x.min()))
    np.testing.assert_allclose(Look("y.tif").values, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["scales", "offsets"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scales_and_offsets_that_are_no_numbers_are_refused(name, value, refused):
    save("x.tif", numbers(shape=(1, 20, 30)), say=lambda file: setattr(file, name, (value,)))
    assert name in refused("stats", "x.tif")


STALE = {
    "scale": (".aux.xml", b'<PAMDataset><PAMRasterBand band="1"><Scale>9</Scale></PAMRasterBand></PAMDataset>'),
    "overviews": (".ovr", b"of other values"),
}


@pytest.mark.parametrize("what", STALE)
def test_no_file_beside_one_that_is_replaced_is_taken_for_a_part_of_the_output(what, refused):
    suffix, content = STALE[what]
    x = numbers("uint16", (1, 20, 30))
    save("x.tif", x)
    done("normalize", "x.tif", "wanted.tif", "--dtype", "float64")
    for name in ("x.tif", "y.tif"):
        save(name, x)
    Path(f"y.tif{suffix}").write_bytes(content)
    Path("z.tif" + suffix).write_bytes(content)
    assert f"z.tif{suffix}: exists already" in refused("normalize", "x.tif", "z.tif")
    done("normalize", "x.tif", "y.tif", "--overwrite", "--dtype", "float64")
    Path(f"x.tif{suffix}").write_bytes(content)
    done("normalize", "x.tif", "--in-place", "--dtype", "float64")
    for name in ("x.tif", "y.tif"):
        assert not Path(name + suffix).exists()
        assert Look(name).scales == (1.0,)
        np.testing.assert_allclose(Look(name).values, Look("wanted.tif").values, rtol=1e-12, atol=1e-12)


def test_the_mask_beside_a_file_that_is_replaced_becomes_a_part_of_it():
    x = numbers("uint16", (1, 20, 30))
    mask = np.where(np.arange(30) < 10, 0, 255) * np.ones((20, 1))
    save("x.tif", x, mask=mask.astype("uint8"), beside=True)
    done("normalize", "x.tif", "--in-place")
    assert not Path("x.tif.msk").exists()
    np.testing.assert_array_equal(Look("x.tif").mask, mask)
    np.testing.assert_array_equal(np.isnan(Look("x.tif").values[0]), mask == 0)

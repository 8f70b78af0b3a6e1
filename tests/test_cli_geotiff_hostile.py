"""GeoTIFF files on the command line that are damaged, or meant to do harm."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastbn.cli import main
from geotiffs import LAYOUTS, PLACE, SHAPE, Look, done, normalized, numbers, save, there

rasterio = pytest.importorskip("rasterio")
from rasterio.enums import ColorInterp  # noqa: E402

pytestmark = pytest.mark.usefixtures("folder")


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


def test_a_full_disk_is_said_before_gdal_meets_it(refused, monkeypatch):
    save("x.tif", numbers(), compress="deflate")
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 100))
    assert "y.tif: No space left" in refused("normalize", "x.tif", "y.tif")
    assert there() == ["x.tif"]


LIMITED = """
import resource, signal, sys
from pathlib import Path
from fastbn.cli import main
assert main(["normalize", "x.tif", "y.tif"]) == 0
size = Path("y.tif").stat().st_size
Path("y.tif").unlink()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in (size - 1, size - 50, size - 2000, size // 2):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    assert main(["normalize", "x.tif", "y.tif"]) == 1, limit
    assert not Path("y.tif").exists()
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("layout", ["strips", "deflate", "planes in tiles"])
def test_no_output_lacks_what_could_not_be_written(layout, masked):
    x = numbers(shape=(3, 150, 170))
    mask = np.random.default_rng(2).random(x.shape[1:]) < 0.7
    save("x.tif", x, mask=mask if masked else None, **LAYOUTS[layout])
    subprocess.run([sys.executable, "-c", LIMITED], check=True, timeout=60, capture_output=True)
    assert there() == ["x.tif"]

"""Zarr stores on the command line whose chunks, or any bytes, are damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbn
from fastbn.cli import main
from zarrs import numbers, store

zarr = pytest.importorskip("zarr")

pytestmark = pytest.mark.usefixtures("folder")


LAYOUTS = {"format 2": (2, {}), "uncompressed": (3, {"compressors": None}), "shards": (3, {"shards": (20, 2)})}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("damage", ["cut", "emptied", "longer", "rubbish"])
def test_damaged_chunks(refused_cleanly, layout, damage):
    if (layout, damage) == ("uncompressed", "rubbish"):
        pytest.skip("these are numbers as good as others")
    zarr_format, options = LAYOUTS[layout]
    store("x.zarr", numbers((40, 2), "f4"), zarr_format, chunks=(10, 2), **options)
    fastbn.channel_stats(numbers((40, 2), "f4")).save("x.json")
    chunk = last_chunk()
    data = chunk.read_bytes()
    new = {"cut": data[: len(data) // 2], "emptied": b"", "longer": bytes(99) + data, "rubbish": b"\xa5" * len(data)}
    chunk.write_bytes(new[damage])
    reason = "x.zarr: not a Zarr file, or a damaged one"
    if damage == "emptied":
        reason = "an empty file"
    if (layout, damage) == ("uncompressed", "longer"):
        reason = "more than a chunk"
    assert reason in refused_cleanly("stats", "x.zarr")
    assert reason in refused_cleanly("normalize", "x.zarr", "y.zarr", "--stats", "x.json")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_huge_chunks(folder, capsys, layout):
    zarr_format, options = LAYOUTS[layout]
    store("x.zarr", numbers((40, 2), "f4"), zarr_format, chunks=(10, 2), **options)
    with last_chunk().open("rb+") as file:
        file.truncate(2**40)  # a hole
    assert main(["normalize", "x.zarr", "y.zarr"]) == 1
    assert "more than a chunk" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["x.zarr"]


def last_chunk():
    return max(path for path in Path("x.zarr").rglob("*") if path.is_file() and path.name[0] not in ".z")


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

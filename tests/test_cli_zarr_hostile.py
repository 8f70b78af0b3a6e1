"""Zarr stores on the command line that are damaged, or meant to do harm: what their metadata and names say."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

import fastbn
from fastbn.cli import main
from zarrs import FORMATS, POSIX, edited, group, metadata, numbers, opened, store

zarr = pytest.importorskip("zarr")
numcodecs = pytest.importorskip("numcodecs")

pytestmark = pytest.mark.usefixtures("folder")


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
def test_bad_metadata(refused_cleanly, case):
    make, reason = BAD[case]
    make()
    assert reason in refused_cleanly("stats", "x.zarr")
    assert reason in refused_cleanly("normalize", "x.zarr", "y.zarr")


def test_many_chunks_in_a_shard(refused_cleanly):
    options = {"chunk_shape": [1, 1], "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]}
    codecs = [{"name": "sharding_indexed", "configuration": options | {"index_codecs": []}}]
    bad(chunk_grid=regular(10**3, 10**3), codecs=codecs)()
    assert "shards of 1000000 chunks" in refused_cleanly("stats", "x.zarr")


def test_pickles_are_not_even_copied(refused_cleanly):
    group("x.zarr", 2)
    edited("x.zarr/flags", 2, dtype="|O", filters=[{"id": "pickle"}])
    assert "x.zarr/flags: holds Python objects" in refused_cleanly("normalize", "x.zarr", "y.zarr")


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
        np.testing.assert_array_equal(opened(Path("y.zarr") / name)[...], fastbn.zscore(arrays["n"], channel_axis=None))


@POSIX
def test_names_that_are_not_utf_8(refused_cleanly):
    group("x.zarr", 3)
    Path("x.zarr/n").rename(Path("x.zarr", os.fsdecode(b"\xff")))
    assert "no name in UTF-8" in refused_cleanly("stats", "x.zarr")


@POSIX
@pytest.mark.parametrize(
    "linked", ["x.zarr/t", "x.zarr/t/c", "x.zarr/t/c/0/0/0", "x.zarr/t/zarr.json", "x.zarr/time/c/0"]
)
def test_links_are_not_followed(refused_cleanly, linked):
    group("x.zarr", 3)
    Path(linked).rename("elsewhere")
    Path(linked).symlink_to(Path("elsewhere").absolute())
    line = refused_cleanly("normalize", "x.zarr", "y.zarr")
    assert "symbolic link" in line or "no regular file" in line


@POSIX
def test_pipes_are_not_waited_for(refused_cleanly):
    group("x.zarr", 3)
    for name in ("x.zarr/t/c/0/0/0", "x.zarr/time/c/0"):
        Path(name).unlink()
        os.mkfifo(name)
    assert "no regular file" in refused_cleanly("stats", "x.zarr")
    assert "no regular file" in refused_cleanly("normalize", "x.zarr", "y.zarr", "--variables", "n")

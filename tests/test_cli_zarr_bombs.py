"""Zarr stores on the command line whose chunks expand to far more than they should."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import subprocess
import sys
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
from fastbn.cli import main
from fastbn.cli._errors import JobError
from zarrs import edited, metadata, opened, store

numcodecs = pytest.importorskip("numcodecs")

from fastbn.cli.formats._zarr_bounds import Decompressor, _zstd_claim  # noqa: E402 - it needs the library

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is told by /proc")
MEMORY = 48_000_000
BESIDE = 200_000_000  # what the interpreter and the libraries may take besides
SHAPE = (2**16, 4)  # a chunk of 2**20 bytes
LARGE = 2**30
PIECE = 2**24
LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
# What codecs of Zarr 3 must be told; the others are of numcodecs.
NATIVE = {
    "gzip": {"level": 1},
    "zstd": {"level": 0, "checksum": False},
    "blosc": {"typesize": 4, "cname": "zstd", "clevel": 1, "shuffle": "noshuffle", "blocksize": 0},
}

pytestmark = pytest.mark.usefixtures("folder")


def zstd_frame(size, header):
    """A frame of blocks that repeat one byte, up to some size; the header says how much, or not."""
    blocks = [2**17] * (size // 2**17)
    last = [0] * (len(blocks) - 1) + [1]
    made = [struct.pack("<I", end | 1 << 1 | block << 3)[:3] + b"\0" for block, end in zip(blocks, last, strict=True)]
    return struct.pack("<I", 0xFD2FB528) + header + b"".join(made)


def zlib_stream(size):
    """A stream of one piece, many times, without its end."""
    stream = zlib.compressobj(9)
    stream.compress(bytes(PIECE)) + stream.flush(zlib.Z_FULL_FLUSH)
    again = stream.compress(bytes(PIECE)) + stream.flush(zlib.Z_FULL_FLUSH)
    return b"\x78\xda" + again * (size // PIECE)


CLAIMED = b"\xe0" + struct.pack("<Q", LARGE)
UNCLAIMED = b"\0\x50"
BOMBS = {
    "gzip": lambda: gzip.compress(bytes(PIECE)) * (LARGE // PIECE),
    "zlib": lambda: zlib_stream(LARGE),
    "bz2": lambda: bz2.compress(bytes(PIECE)) * (LARGE // PIECE),
    "lzma": lambda: lzma.compress(bytes(PIECE)) * (LARGE // PIECE),
    "lz4": lambda: numcodecs.LZ4().encode(np.zeros(2**27, "u1")) + bytes(1),
    "blosc": lambda: numcodecs.Blosc("zstd").encode(np.zeros(LARGE, "u1")),
    "zstd": lambda: zstd_frame(LARGE, CLAIMED),
    "zstd without a size": lambda: zstd_frame(LARGE, UNCLAIMED),
    "zstd in frames": lambda: numcodecs.Zstd().encode(bytes(9)) + zstd_frame(LARGE, UNCLAIMED),
    "zstd in small frames": lambda: numcodecs.Zstd().encode(bytes(2**20)) * (LARGE // 2**20),
}
LAYOUTS = ("format 2", "format 3", "shards")


def planted(name, codec, layout, chunk):
    """A store whose only chunk was made by somebody else."""
    format_2 = layout == "format 2"
    kept = {"shards": (2 * SHAPE[0], 4)} if layout == "shards" else {}
    x = np.zeros((2 * SHAPE[0], 4) if kept else SHAPE, "f4")
    store(name, x, 2 if format_2 else 3, chunks=SHAPE, **kept)
    if format_2:
        edited(name, 2, compressor={"id": codec})
    else:
        named = codec if codec in NATIVE and kept else f"numcodecs.{codec}"
        codecs = [LITTLE, {"name": named, "configuration": NATIVE.get(named, {})}]
        if kept:
            inner = {"chunk_shape": SHAPE, "codecs": codecs, "index_codecs": [LITTLE], "index_location": "end"}
            codecs = [{"name": "sharding_indexed", "configuration": inner}]
            chunk += struct.pack("<4Q", 0, len(chunk), 2**64 - 1, 2**64 - 1)
        edited(name, codecs=codecs)
    file = Path(name, "0.0" if format_2 else "c/0/0")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(chunk)


MEASURED = """
import sys
from fastbn.cli import main
tests, memory, *names = sys.argv[1:]
sys.path.append(tests)
from peak import peak
for name in names:
    code = main(["stats", name, "--memory", memory])
    print(name, code, peak())
"""


@LINUX
def test_bombs_take_no_memory(folder):
    names = {}
    for number, (bomb, make) in enumerate(BOMBS.items()):
        chunk = make()
        assert len(chunk) < 1.04 * 2**20
        for layout in LAYOUTS:
            name = f"{number}-{LAYOUTS.index(layout)}.zarr"
            planted(name, bomb.split()[0], layout, chunk)
            names[name] = f"{bomb}, {layout}"
    script = [sys.executable, "-c", MEASURED, Path(__file__).parent, f"{MEMORY}"]
    done = subprocess.run([*script, *names], capture_output=True, text=True, check=True)
    lines, errors = done.stdout.splitlines(), done.stderr.splitlines()
    assert len(lines) == len(errors) == len(names)
    for line, error in zip(lines, errors, strict=True):
        name, code, peak = line.split()
        assert int(peak) < MEMORY + BESIDE, names[name]
        assert code == "1", names[name]
        assert error.startswith(f"fastbn: error: {name}: has a chunk that expands to more than"), names[name]


CODECS = {
    **{name: numcodecs.get_codec({"id": name}) for name in ("gzip", "zlib", "bz2", "lzma", "lz4", "blosc", "zstd")},
    "raw lzma": numcodecs.LZMA(format=lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 1}]),
}


@pytest.mark.parametrize("codec", CODECS)
@given(content=st.binary(min_size=1, max_size=3000), times=st.sampled_from([1, 300]), more=st.integers(0, 9))
def test_what_fits_is_decoded_and_a_byte_more_is_not(codec, content, times, more):
    content *= times
    chunk = np.frombuffer(CODECS[codec].encode(content), "u1")
    decode = partial(Decompressor, Path("x"), CODECS[codec].get_config())
    assert bytes(decode(len(content) + more).decode(chunk)) == content
    with pytest.raises(JobError, match="expands to more"):
        decode(len(content) - 1).decode(chunk)


@pytest.mark.parametrize("size", [1, 100, 2**17, 2**17 + 1, 10**6])
def test_zstd_streams_that_do_not_say_their_size(tmp_path, size):
    arrow = pytest.importorskip("pyarrow")
    content = np.random.default_rng(1).integers(0, 60, size, "u1").tobytes()
    with arrow.CompressedOutputStream(str(tmp_path / "x.zst"), "zstd") as stream:
        stream.write(content)
    chunk = (tmp_path / "x.zst").read_bytes()
    decompressor = Decompressor(Path("x"), {"id": "zstd"}, size)
    assert bytes(decompressor.decode(np.frombuffer(chunk, "u1"))) == content
    with pytest.raises(JobError, match="expands to more"):
        Decompressor(Path("x"), {"id": "zstd"}, size - 2**17).decode(np.frombuffer(chunk, "u1"))


@pytest.mark.parametrize("end", [1, 4, 5, 8, 14, -1])
@pytest.mark.parametrize("header", [b"\xe0" + struct.pack("<Q", 2**20), UNCLAIMED])
def test_zstd_frames_that_are_cut(refused_cleanly, header, end):
    planted("x.zarr", "zstd", "format 2", zstd_frame(2**20, header)[:end])
    assert "x.zarr: not a Zarr file, or a damaged one" in refused_cleanly("stats", "x.zarr")


def test_frames_that_are_skipped_by_zstd():
    chunk = struct.pack("<II", 0x184D2A5F, 3) + b"abc" + numcodecs.Zstd().encode(b"content")
    assert _zstd_claim(memoryview(chunk)) == 7


@pytest.mark.parametrize(
    ("filters", "dtype"),
    [
        ([numcodecs.PackBits()], "?"),
        ([numcodecs.Delta("i2", astype="i8")], "i2"),
        ([numcodecs.AsType("f8", "f4"), numcodecs.Shuffle(8)], "f4"),
        ([numcodecs.FixedScaleOffset(0, 10, "f8", "i2"), numcodecs.Zlib(0), numcodecs.CRC32()], "f8"),
        ([numcodecs.Quantize(3, "f8")], "f8"),
    ],
)
def test_filters_change_how_much_a_chunk_has(filters, dtype):
    x = np.random.default_rng(1).normal(0, 100, (5000, 3)).astype(dtype)
    store("x.zarr", x, 2, filters=filters, compressors=numcodecs.GZip(0))
    assert main(["normalize", "x.zarr", "y.zarr"]) == 0
    np.testing.assert_array_equal(opened("y.zarr")[...], fastbn.zscore(opened("x.zarr")[...]))


def test_the_index_of_a_shard_that_points_to_more_than_a_chunk(refused_cleanly):
    """Every chunk of it is all of the file, and is read by itself, as the array ends within the shard."""
    x = np.random.default_rng(1).normal(size=(100, 4))
    store("x.zarr", x, chunks=(4, 4), shards=(128, 4), compressors=None)
    (codec,) = metadata("x.zarr")["codecs"]
    codec["configuration"]["index_codecs"] = [LITTLE]
    edited("x.zarr", codecs=[codec])
    Path("x.zarr/c/0/0").write_bytes(x.tobytes() + struct.pack("<2Q", 0, x.nbytes) * 32)
    assert "x.zarr/c/0/0: its index has a chunk of more bytes than one takes" in refused_cleanly("stats", "x.zarr")

"""How much the chunks of a Zarr array may hold, and decompressors that stop there.

A small file can expand to any size, and the zarr library learns of it when the memory is taken. So the compressors of
an array that is read are replaced: those that say how much comes out are asked first, the others are read up to there.
"""

from __future__ import annotations

import asyncio
import bz2
import gzip
import io
import lzma
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numcodecs
import numpy as np
from numcodecs.compat import ensure_contiguous_ndarray
from zarr.abc.codec import BytesBytesCodec

from .._errors import JobError
from ._zarr_metadata import BYTES, CHECKSUMS, NUMBERS, NUMCODECS, Grid
from ._zarr_store import Document

ENTRY = 16  # bytes of a chunk in the index of a shard
HOLES = 2  # times what its chunks have: in a shard, what was replaced may stay
ZSTD_FRAME = 0xFD2FB528
ZSTD_SKIPPED = 0x184D2A50  # and the next 15
ZSTD_BLOCK = 2**17  # bytes that come out of a block, at most
ZSTD_REPEATED, ZSTD_COMPRESSED = 1, 2  # kinds of blocks


class Bounds(NamedTuple):
    """What an array is read by, and how much of it at once."""

    metadata: Document  # for the library, with compressors that stop
    file: int  # bytes
    part: int  # bytes of a chunk in a shard, or of the index of one


def bounds_of(path: Path, metadata: Document, grid: Grid) -> Bounds:
    """Bound what chunks may hold, by metadata that were checked."""
    walk = _Walk(path, math.prod(grid.blocks) * grid.dtype.itemsize, grid.dtype)
    if metadata["zarr_format"] == 3:
        codecs, part = _bounded_v3(walk, metadata["codecs"], grid.inner)
        return Bounds(metadata | {"codecs": codecs}, walk.size, part)
    filters = [_bounded_v2(walk, codec) for codec in metadata.get("filters") or ()]
    compressor = metadata.get("compressor")
    if compressor is not None:
        compressor = _bounded_v2(walk, compressor)
    return Bounds(metadata | {"filters": filters or None, "compressor": compressor}, walk.size, walk.size)


@dataclass
class _Walk:
    """A chunk on its way through codecs, as they encode it."""

    path: Path
    size: int  # bytes, at most
    dtype: np.dtype[Any]

    def passes(self, name: str, options: Mapping[str, Any]) -> None:
        """Let a codec have it."""
        if name in BYTES | CHECKSUMS:
            self.size = _grown(self.size)
        elif name == "packbits":
            self.size = self.size // 8 + 2
        elif name in NUMBERS:
            taken = np.dtype(options.get("decode_dtype") or options.get("dtype") or self.dtype)
            self.dtype = np.dtype(options.get("encode_dtype") or options.get("astype") or taken)
            self.size = -(-self.size // taken.itemsize) * self.dtype.itemsize


def _grown(size: int) -> int:
    """What compressors make of bytes that cannot be compressed, and what checksums add."""
    return size + size // 32 + 2**10


def _bounded_v2(walk: _Walk, codec: Document) -> Any:
    name, size = codec["id"], walk.size
    walk.passes(name, codec)
    return Decompressor(walk.path, codec, size) if name in BYTES else codec


def _bounded_v3(walk: _Walk, codecs: Sequence[Document], inner: int) -> tuple[list[Any], int]:
    """The same for codecs of Zarr 3, which may make shards; with what a part of one takes."""
    made: list[Any] = []
    part = 0
    for codec in codecs:
        name, options, size = codec["name"].removeprefix(NUMCODECS), codec["configuration"], walk.size
        if name == "sharding_indexed":
            chunk = _Walk(walk.path, size // inner, walk.dtype)
            within, _ = _bounded_v3(chunk, options["codecs"], 1)
            made.append(codec | {"configuration": options | {"codecs": within}})
            index = _grown(ENTRY * inner)
            part = max(chunk.size, index)
            walk.size = HOLES * chunk.size * inner + index
            continue
        walk.passes(name, options)
        decompressor = Decompressor(walk.path, options | {"id": name}, size) if name in BYTES else None
        made.append(codec if decompressor is None else Bounded(decompressor))
    return made, part or walk.size


class Decompressor(numcodecs.abc.Codec):  # type: ignore[misc, unused-ignore] # where the library is not, it has no types
    """A codec of Zarr 2 that only decodes, and up to some size."""

    codec_id = "bounded"

    def __init__(self, path: Path, options: Document, most: int) -> None:
        self._path = path
        self._options = options
        self._most = most
        self._codec = numcodecs.get_codec(options)

    def encode(self, buf: Any) -> Any:
        """Nothing is written by it."""
        raise NotImplementedError

    def decode(self, buf: Any) -> Any:
        """Decompress what does not say that more comes out, or stop where more does."""
        data = memoryview(ensure_contiguous_ndarray(buf).view("u1"))
        if len(data) <= _grown(self._most):
            claim = CLAIMS.get(self._options["id"])
            if claim is None:
                decoded = _stopped(data, self._options, self._most + 1)
                if len(decoded) <= self._most:
                    return decoded
            elif claim(data) <= self._most:
                return self._codec.decode(data)
        raise JobError(f"{self._path}: has a chunk that expands to more than the {self._most} bytes of one")


@dataclass(frozen=True)
class Bounded(BytesBytesCodec):  # type: ignore[misc, unused-ignore] # where the library is not, it has no types
    """The same as a codec of Zarr 3."""

    decompressor: Decompressor
    is_fixed_size = False

    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        decoded = await asyncio.to_thread(self.decompressor.decode, chunk_data.as_numpy_array())
        return chunk_spec.prototype.buffer.from_bytes(decoded)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """Nothing is written by it."""
        raise NotImplementedError


def _zstd_claim(data: memoryview) -> int:
    """What comes out of frames of Zstandard: as they say, or else as much as their blocks can hold."""
    claimed = place = last = 0
    while place < len(data):
        magic = _number(data, place, 4)
        if magic & ~15 == ZSTD_SKIPPED:
            place += 8 + _number(data, place + 4, 4)
            continue
        if magic != ZSTD_FRAME:
            raise ValueError("no frame of Zstandard where one should be")
        flags = _number(data, place + 4, 1)
        single = flags >> 5 & 1
        width = (single, 2, 4, 8)[flags >> 6]
        window = 0 if single else _number(data, place + 5, 1)
        block = min(ZSTD_BLOCK, 2 ** (window >> 3) * (2**10 + (window & 7) * 2**7))
        place += 6 - single + (0, 1, 2, 4)[flags & 3]
        content = _number(data, place, width) + (256 if width == 2 else 0)
        size, place = _zstd_blocks(data, place + width, block)
        place += 4 * (flags >> 2 & 1)
        claimed += content if width else size
        last = 0 if width else block - 1
    return claimed - last  # the last block may be a short one, which it does not say


def _zstd_blocks(data: memoryview, place: int, block: int) -> tuple[int, int]:
    """What the blocks from there on can hold, and where they end."""
    size = last = 0
    while not last:
        header = _number(data, place, 3)
        last, kind, length = header & 1, header >> 1 & 3, header >> 3
        place += 3 + (1 if kind == ZSTD_REPEATED else length)
        size += block if kind == ZSTD_COMPRESSED else length
    return size, place


def _number(data: memoryview, place: int, width: int) -> int:
    if place + width > len(data):
        raise ValueError("ends within a frame of Zstandard")
    return int.from_bytes(data[place : place + width], "little")


def _stopped(data: memoryview, options: Document, most: int) -> bytes:
    """Decompress some bytes at most, of a stream that does not say how many there are."""
    if options["id"] == "zlib":
        stream = zlib.decompressobj()
        decoded = stream.decompress(data, most)
        if len(decoded) < most and not stream.eof:
            raise ValueError("ends within a stream of zlib")
        return decoded
    kept = {key: options[key] for key in ("format", "filters") if key in options}
    opens: Mapping[str, Any] = {"bz2": bz2.open, "gzip": gzip.open, "lzma": partial(lzma.open, **kept)}
    with opens[options["id"]](io.BytesIO(data)) as file:
        read: bytes = file.read(most)
    return read


# Compressors that say what comes out; the library takes no more memory than that.
CLAIMS: Mapping[str, Callable[[memoryview], int]] = {
    "blosc": lambda data: int.from_bytes(data[4:8], "little"),
    "lz4": lambda data: int.from_bytes(data[:4], "little"),
    "zstd": _zstd_claim,
}

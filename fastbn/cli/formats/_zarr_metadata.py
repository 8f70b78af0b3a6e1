"""The metadata of Zarr arrays: checked before any chunk is decoded, and what becomes of them in an output."""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .._errors import JobError
from ._packing import still_true
from ._zarr_store import Document, Node

MOST_AXES = 64  # NumPy's limit
LONGEST = 2**63
LARGEST = 2**30  # elements of an array, and
MOST_CHUNKS = 2**16  # chunks of one, of which nothing needs to be there
SPARSEST = 2**10  # of larger arrays, one chunk in as many must be
MOST_INNER = 2**16  # chunks of a shard, all of which are in memory at once

# Codecs by what a float can have of them. Pickle is none of them, nor is what calls other code.
BYTES = frozenset({"blosc", "lz4", "zstd", "zlib", "gzip", "bz2", "lzma"})
CHECKSUMS = frozenset({"crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"})
NUMBERS = frozenset({"delta", "bitround", "fixedscaleoffset", "quantize", "packbits", "astype"})
NUMCODECS = "numcodecs."  # how Zarr 3 calls codecs of that library
CODECS_V2 = BYTES | CHECKSUMS | NUMBERS | {"shuffle"}
CODECS_V3 = {"bytes", "transpose", "blosc", "gzip", "zstd", "crc32c"} | {NUMCODECS + name for name in CODECS_V2}
NUMBER = re.compile(r"[<>|=]?[biuf][1248]|bool|u?int(8|16|32|64)|float(16|32|64)")
# Tuples: what a file says may be anything, and not every thing can be looked up in a set.
SEPARATORS = (".", "/")
KEYS = ("default", "v2")
DOUBLE = struct.Struct("<d")
DTYPES = ("dtype", "astype", "encode_dtype", "decode_dtype")  # options of codecs
DEFAULT_V2 = {"id": "zstd", "level": 0, "checksum": False}
BIGGEST_OPTION = 2**31


class Grid(NamedTuple):
    """What an array's metadata say of its shape."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    blocks: tuple[int, ...]  # shards if there are any, else chunks
    inner: int  # chunks of a shard; 1 if there are none


def is_numeric(node: Node) -> bool:
    """Whether an array holds numbers that can be normalized."""
    return _dtype(node) is not None


def dimensions(node: Node) -> tuple[str, ...] | None:
    """The names of an array's axes; those without one are empty."""
    v3 = node.metadata.get("zarr_format") == 3
    names = node.metadata.get("dimension_names") if v3 else node.attributes.get("_ARRAY_DIMENSIONS")
    shape = node.metadata.get("shape")
    if not isinstance(names, list) or not isinstance(shape, list) or len(names) != len(shape):
        return None
    if not any(names) or not all(name is None or isinstance(name, str) for name in names):
        return None
    return tuple(name or "" for name in names)


def grid_of(path: Path, node: Node) -> Grid:
    """Check the metadata of an array that is read; a JobError where they are damaged, or mean harm."""
    dtype = _dtype(node)
    if dtype is None:
        told = node.metadata.get("data_type", node.metadata.get("dtype"))
        raise JobError(f"{path}: holds {told!r}, and no numbers")
    shape = _lengths(path, "shape", node.metadata.get("shape"), 0)
    if node.metadata.get("zarr_format") == 3:
        form = node.metadata.get("chunk_grid")
        if not isinstance(form, dict) or form.get("name") != "regular":
            raise JobError(f"{path}: its chunk_grid is not a regular one")
        blocks = _lengths(path, "chunk_shape", _configuration(form).get("chunk_shape"), 1)
        inner = _check_v3(path, node.metadata, blocks)
    else:
        blocks = _lengths(path, "chunks", node.metadata.get("chunks"), 1)
        _check_v2(path, node.metadata)
        inner = 1
    if len(blocks) != len(shape):
        raise JobError(f"{path}: chunks of shape {blocks} in an array of shape {shape}")
    largest = math.prod(max(1, length) for length in shape) * dtype.itemsize
    if largest >= LONGEST or math.prod(blocks) * dtype.itemsize >= LONGEST:
        raise JobError(f"{path}: shape {shape} in chunks of {blocks}: no array is as large")
    chunks = math.prod(-(-length // block) for length, block in zip(shape, blocks, strict=True))
    if (math.prod(shape) > LARGEST or chunks > MOST_CHUNKS) and node.files * SPARSEST < chunks:
        raise JobError(
            f"{path}: shape {shape} takes {chunks} chunks, and {node.files} files are there: next to nothing"
        )
    return Grid(shape, dtype.newbyteorder("="), blocks, inner)


def refuse_pickles(path: Path, node: Node) -> None:
    """Refuse an array whose chunks are pickles, even if it is not to be read."""
    if any("pickle" in name for name in _codec_names(node.metadata)):
        raise JobError(f"{path}: holds Python objects, that is pickles, which are never loaded")


def output_metadata(metadata: Document, dtype: np.dtype[Any]) -> Document:
    """The metadata of an array that has floats instead of its numbers."""
    if metadata.get("zarr_format") == 3:
        codecs = _float_codecs_v3(metadata["codecs"], dtype)
        return metadata | {"data_type": dtype.name, "fill_value": "NaN", "codecs": codecs}
    kept = [_for_floats(codec, dtype) for codec in metadata.get("filters") or () if _fits_floats(codec["id"])]
    compressor = metadata.get("compressor")
    if compressor is not None:
        compressor = _for_floats(compressor, dtype) if _fits_floats(compressor["id"]) else DEFAULT_V2
    return metadata | {
        "dtype": dtype.newbyteorder("<").str,
        "fill_value": "NaN",
        "compressor": compressor,
        "filters": kept or None,
    }


def output_attributes(node: Node) -> Document:
    """The attributes of an array that has floats, not packed, where NaN stands for none."""
    kept = still_true(node.attributes)
    attributes = {kept[key]: value for key, value in node.attributes.items() if key in kept}
    if node.metadata.get("zarr_format") == 3 and ("_FillValue" in node.attributes):
        attributes["_FillValue"] = base64.b64encode(DOUBLE.pack(math.nan)).decode()
    return attributes


def numbers_of(attributes: Document, dtype: np.dtype[Any]) -> Document:
    """Attributes as other formats have them: of floats in Zarr 3, xarray writes a `_FillValue` in base 64."""
    fill = attributes.get("_FillValue")
    if not isinstance(fill, str) or dtype.kind != "f":
        return attributes
    try:
        (number,) = DOUBLE.unpack(base64.b64decode(fill, validate=True))
    except (binascii.Error, ValueError, struct.error):
        return attributes
    return attributes | {"_FillValue": number}


def _dtype(node: Node) -> np.dtype[Any] | None:
    told = node.metadata.get("data_type" if node.metadata.get("zarr_format") == 3 else "dtype")
    if not isinstance(told, str) or NUMBER.fullmatch(told) is None:
        return None
    try:
        return np.dtype(told)
    except TypeError:  # f1, b8
        return None


def _lengths(path: Path, what: str, told: Any, least: int) -> tuple[int, ...]:
    # True is an int to Python, and to nothing that comes after it.
    fine = isinstance(told, list) and all(type(length) is int and least <= length < LONGEST for length in told)
    if not fine or len(told) > MOST_AXES:
        raise JobError(f"{path}: its metadata give a {what} that no array has")
    return tuple(told)


def _configuration(named: Any) -> Document:
    configuration = named.get("configuration", {}) if isinstance(named, dict) else {}
    return configuration if isinstance(configuration, dict) else {}


def _codec_names(metadata: Document) -> Iterator[str]:
    """The names of all codecs, however deep."""
    waiting: list[Any] = [metadata.get(key) for key in ("filters", "compressor", "codecs")]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            yield str(item.get("id", item.get("name")))
            waiting += item.values()
        elif isinstance(item, str):
            yield item


def _check_v2(path: Path, metadata: Document) -> None:
    filters, compressor = metadata.get("filters"), metadata.get("compressor")
    if not isinstance(filters, list | None):
        raise JobError(f"{path}: its filters are not a list")
    for codec in [*(filters or []), *([] if compressor is None else [compressor])]:
        _check_codec(path, codec.get("id") if isinstance(codec, dict) else codec, codec, CODECS_V2)
        _check_options(path, codec["id"], codec)
    if metadata.get("dimension_separator", ".") not in SEPARATORS:
        raise JobError(f"{path}: its dimension_separator is neither '.' nor '/'")


def _check_v3(path: Path, metadata: Document, blocks: Sequence[int]) -> int:
    """Check everything that chunks are decoded by; return how many a shard has."""
    keys = metadata.get("chunk_key_encoding")
    separator = _configuration(keys).get("separator", "/")
    if not isinstance(keys, dict) or keys.get("name") not in KEYS or separator not in SEPARATORS:
        raise JobError(f"{path}: its chunk_key_encoding is not one of Zarr 3")
    if metadata.get("storage_transformers"):
        raise JobError(f"{path}: has storage transformers, which nobody knows")
    codecs = _check_codecs_v3(path, metadata.get("codecs"), CODECS_V3 | {"sharding_indexed"})
    shards = [codec["configuration"] for codec in codecs if codec["name"] == "sharding_indexed"]
    if not shards:
        return 1
    if len(shards) > 1:
        raise JobError(f"{path}: has shards in shards")
    _check_codecs_v3(path, shards[0].get("codecs"), CODECS_V3)
    _check_codecs_v3(path, shards[0].get("index_codecs"), {"bytes", "crc32c"})
    chunk = _lengths(path, "chunk_shape", shards[0].get("chunk_shape"), 1)
    if len(chunk) != len(blocks) or any(length % part for length, part in zip(blocks, chunk, strict=True)):
        raise JobError(f"{path}: shards of shape {tuple(blocks)} cannot be made of chunks of {chunk}")
    inner = math.prod(blocks) // math.prod(chunk)
    if inner > MOST_INNER:
        raise JobError(f"{path}: shards of {inner} chunks; at most {MOST_INNER} are taken")
    return inner


def _check_codecs_v3(path: Path, codecs: Any, allowed: Collection[str]) -> list[Document]:
    if not isinstance(codecs, list):
        raise JobError(f"{path}: its codecs are not a list")
    for codec in codecs:
        _check_codec(path, codec.get("name") if isinstance(codec, dict) else codec, codec, allowed)
        _check_options(path, codec["name"], codec.setdefault("configuration", {}))
    return codecs


def _check_codec(path: Path, name: Any, codec: Any, allowed: Collection[str]) -> None:
    """Allow known codecs only."""
    if not isinstance(name, str) or name not in allowed or not isinstance(codec, dict):
        raise JobError(f"{path}: its codec {name!r} is not one that is known to do no harm")


def _check_options(path: Path, name: str, options: Any) -> None:
    """Refuse options that would have a codec take numbers for pointers, or divide by zero."""
    if not isinstance(options, dict):
        raise JobError(f"{path}: the configuration of its codec {name} is not a JSON object")
    for key, value in options.items():
        if key in DTYPES and not (isinstance(value, str) and NUMBER.fullmatch(value)):
            raise JobError(f"{path}: its codec {name} has the {key} {value!r}, and that is no number's")
        least = 1 if key in {"elementsize", "typesize"} else 1 - BIGGEST_OPTION
        if type(value) is int and not least <= value < BIGGEST_OPTION:
            raise JobError(f"{path}: its codec {name} has the {key} {value}")


def _fits_floats(name: str) -> bool:
    """Whether a codec does with floats what it does with other numbers, and loses nothing."""
    return name.removeprefix(NUMCODECS) not in NUMBERS


def _for_floats(options: Mapping[str, Any], dtype: np.dtype[Any]) -> Document:
    """The options of a codec, for floats."""
    sizes = {key: dtype.itemsize for key in ("elementsize", "typesize") if key in options}
    return dict(options) | sizes


def _float_codecs_v3(codecs: Sequence[Document], dtype: np.dtype[Any]) -> list[Document]:
    made = []
    for codec in codecs:
        name, options = codec["name"], codec["configuration"]
        if not _fits_floats(name):
            continue
        if name == "sharding_indexed":
            options = options | {"codecs": _float_codecs_v3(options["codecs"], dtype)}
        elif name == "bytes":
            options = {"endian": "little"} | options  # which single bytes do without
        made.append(codec | {"configuration": _for_floats(options, dtype)})
    return made

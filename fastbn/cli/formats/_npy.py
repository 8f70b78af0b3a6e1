"""``.npy`` files: read and written in runs of memory, after every check of the header.

Only the header is interpreted, with NumPy's own bounded reader, and nothing is ever unpickled. The file's size is
compared with the header before anything is read. Reading into memory takes as long as mapping does (1 GiB from the page
cache: 47 ms against 36), and a file that somebody truncates meanwhile is an error, where touching a mapping beyond the
end of its file kills the process.
"""

from __future__ import annotations

import io
import itertools
import math
import os
import stat
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from fastbn._arrays import as_operand

from .._choice import Choice
from .._errors import JobError, describe
from .._fields import Field, Source, Tile, Values
from .._tiles import Index, extent

MOST_AXES = 64  # NumPy's limit
LONGEST_AXIS = 2**63
# What Python's and NumPy's parsers make of a header that is random, or meant to do harm.
PARSER_ERRORS = (ValueError, TypeError, SyntaxError, OverflowError, RecursionError, MemoryError, tokenize.TokenError)
# Bytes after which the system is told to start writing: 1 GiB, synced at the end, took 0.52 s instead of 0.69.
BEHIND = 2**25


class NpySource(Source):
    """An array in a ``.npy`` file."""

    format = "npy"
    resumable = True

    def __init__(self, path: Path, file: FileIO, offset: int, field: Field) -> None:
        self.path = path
        self.fields = (field,)
        self._file = file
        self._offset = offset

    def read(self, tile: Tile) -> list[Values]:
        (field,), (place,) = self.fields, tile
        lengths = [extent(place.at)[axis] for axis in field.order]
        values = np.empty(lengths, field.dtype)
        room = values.reshape(-1).view(np.uint8).data
        for start, part in _runs(field, place.at, room):
            self._fill(part, self._offset + start)
        return [Values(values.transpose(np.argsort(field.order)))]

    def sink(self, scratch: Path, dtypes: Sequence[np.dtype[Any]], done: int) -> NpySink:
        return NpySink(scratch, self.fields[0], dtypes[0], done)

    def needs(self, dtypes: Sequence[np.dtype[Any]]) -> int:
        return math.prod(self.fields[0].shape) * dtypes[0].itemsize

    def close(self) -> None:
        self._file.close()

    def _fill(self, room: memoryview, start: int) -> None:
        self._file.seek(start)
        while room:
            count = self._file.readinto(room)
            if not count:
                raise JobError(f"{self.path}: ends before its data do: somebody has truncated it")
            room = room[count:]


class NpySink:
    """A ``.npy`` file that is being written, run by run."""

    def __init__(self, scratch: Path, field: Field, dtype: np.dtype[Any], done: int) -> None:
        self._field = replace(field, dtype=dtype)
        order = field.order == tuple(range(len(field.shape)))
        header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": not order, "shape": field.shape}
        self._file = FileIO(scratch, "rb+")
        self._flushed = 0
        try:
            start = io.BytesIO()
            npy.write_array_header_1_0(start, header)  # which would not notice that a part of it was not taken
            self._put(memoryview(start.getvalue()))
            self._offset = start.tell()
            size = self._offset + math.prod(field.shape) * dtype.itemsize
            if done:
                if os.fstat(self._file.fileno()).st_size != size:
                    raise JobError(f"{scratch}: not as the job left it; without --resume, the job starts anew")
            elif hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._file.fileno(), 0, size)  # a disk that is too small says so now
            else:
                self._file.truncate(size)
        except BaseException:
            self._file.close()
            raise

    def write(self, tile: Tile, values: Sequence[Values]) -> None:
        (place,), (value,) = tile, values
        flat = np.ascontiguousarray(value.data.transpose(self._field.order)).reshape(-1).view(np.uint8)
        for start, part in _runs(self._field, place.at, flat.data):
            self._file.seek(self._offset + start)
            self._put(part)
        end = self._file.tell()
        if end - self._flushed >= BEHIND and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file.fileno(), self._flushed, end - self._flushed, os.POSIX_FADV_DONTNEED)
            self._flushed = end

    def _put(self, left: memoryview) -> None:
        while left:
            left = left[self._file.write(left) :]

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def open_source(path: Path, choice: Choice) -> NpySource:
    """Open the array of a ``.npy`` file."""
    choice.only(path, ".npy files", "channel_axis")
    file = FileIO(path)
    try:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise JobError(f"{path}: not a regular file")
        shape, fortran_order, dtype, offset = _header(path, file)
        order = tuple(range(len(shape)))[:: -1 if fortran_order else 1]
        field = Field(None, shape, dtype, choice.kept(path, None, 1), order)
        return NpySource(path, file, offset, field)
    except BaseException:
        file.close()
        raise


def _runs(field: Field, index: Index, room: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Where in the data each contiguous part of a tile starts, in bytes, and its part of memory."""
    order = [(field.shape[axis], index[axis]) for axis in field.order]
    whole = len(order)
    while whole and order[whole - 1][1] == slice(0, order[whole - 1][0]):
        whole -= 1
    outer, inner = order[: max(0, whole - 1)], order[max(0, whole - 1) :]
    run = math.prod(part.stop - part.start for _, part in inner) * field.dtype.itemsize
    if not run:
        return
    steps = [math.prod(length for length, _ in order[k + 1 :]) * field.dtype.itemsize for k in range(len(order))]
    first = inner[0][1].start * steps[len(outer)] if inner else 0
    corners = itertools.product(*(range(part.start, part.stop) for _, part in outer))
    for number, corner in enumerate(corners):
        start = first + sum(place * step for place, step in zip(corner, steps, strict=False))
        yield start, room[number * run : (number + 1) * run]


def _header(path: Path, file: FileIO) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, order, dtype, and where the data start."""
    try:
        shape, fortran_order, dtype = _read_header(file)
    except PARSER_ERRORS as error:
        raise JobError(f"{path}: not a .npy file, or a damaged one: {describe(error)}") from error
    _check_dtype(path, dtype)
    # True is an int to NumPy's reader, and to nothing that comes after it.
    if len(shape) > MOST_AXES or not all(type(length) is int and 0 <= length < LONGEST_AXIS for length in shape):
        raise JobError(f"{path}: the header gives a shape that no array has")
    offset = file.tell()
    needed, present = offset + math.prod(shape) * dtype.itemsize, os.fstat(file.fileno()).st_size
    if needed > present:
        raise JobError(f"{path}: truncated: {dtype} of shape {shape} takes {needed} bytes, the file has {present}")
    try:
        np.lib.stride_tricks.as_strided(np.empty(1, dtype), shape, (0,) * len(shape))
    except ValueError as error:  # (0, 2**62, 2**62): no data, and yet too large for NumPy
        raise JobError(f"{path}: the header gives a shape that no array has") from error
    return shape, fortran_order, dtype, offset


def _read_header(file: FileIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers written by Python 2 are read as well
        if version == (1, 0):
            return npy.read_array_header_1_0(file)
        if version in {(2, 0), (3, 0)}:  # 3.0 differs in the names of fields alone
            return npy.read_array_header_2_0(file)
    raise ValueError(f"format version {version} is not one of 1.0, 2.0, 3.0")


def _check_dtype(path: Path, dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        raise JobError(f"{path}: holds Python objects, that is a pickle, which is never loaded")
    if dtype.fields is not None or dtype.subdtype is not None:
        raise JobError(f"{path}: holds records ({dtype}); save each field as an array of its own")
    as_operand(np.empty(0, dtype), name=str(path))  # the library's own table of what it takes

"""``.npy`` files: mapped for reading after every check of the header, written piece by piece.

Only the header is interpreted, with NumPy's own bounded reader, and nothing is ever unpickled. The file's size is
compared with the header before mapping, because reading a mapping beyond the end of its file kills the process.
"""

from __future__ import annotations

import math
import mmap
import stat
import tokenize
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fastbn._arrays import as_operand

from ._errors import JobError, describe

MOST_AXES = 64  # NumPy's limit
LONGEST_AXIS = 2**63
# What Python's and NumPy's parsers make of a header that is random, or meant to do harm.
PARSER_ERRORS = (ValueError, TypeError, SyntaxError, OverflowError, RecursionError, MemoryError, tokenize.TokenError)


@dataclass(frozen=True)
class NpyFile:
    """An array in a file: a read-only view of the mapped file, in the file's own byte order and memory order."""

    path: Path
    array: NDArray[Any]
    order: Literal["C", "F"]
    mapping: mmap.mmap | None

    @property
    def slowest_first(self) -> tuple[int, ...]:
        """The axes in the order of the file."""
        axes = tuple(range(self.array.ndim))
        return axes if self.order == "C" else axes[::-1]

    def release(self) -> None:
        """Give back the memory of the pages read so far (the mapping stays valid)."""
        if self.mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.mapping.madvise(mmap.MADV_DONTNEED)


def open_npy(path: Path) -> NpyFile:
    """Map the array of a ``.npy`` file."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise JobError(f"{path}: not a regular file")
    with path.open("rb") as file:
        try:
            shape, fortran_order, dtype = _read_header(file)
        except PARSER_ERRORS as error:
            raise JobError(f"{path}: not a .npy file, or a damaged one: {describe(error)}") from error
        _check_dtype(path, dtype)
        # True is an int to NumPy's reader, and to nothing that comes after it.
        if len(shape) > MOST_AXES or not all(type(length) is int and 0 <= length < LONGEST_AXIS for length in shape):
            raise JobError(f"{path}: the header gives a shape that no array has")
        offset = file.tell()
        needed, present = offset + math.prod(shape) * dtype.itemsize, path.stat().st_size
        if needed > present:
            raise JobError(f"{path}: truncated: {dtype} of shape {shape} takes {needed} bytes, the file has {present}")
        order: Literal["C", "F"] = "F" if fortran_order else "C"
        if needed == offset:
            return NpyFile(path, _empty(path, shape, dtype), order, None)
        mapping = mmap.mmap(file.fileno(), needed, access=mmap.ACCESS_READ)
    return NpyFile(path, np.ndarray(shape, dtype, buffer=mapping, offset=offset, order=order), order, mapping)


def write_npy(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], order: Literal["C", "F"], pieces: Iterable[NDArray[Any]]
) -> None:
    """Write an array given as pieces, each contiguous in `order`, in the order of the file."""
    header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": order == "F", "shape": shape}
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, header)
        for piece in pieces:
            file.write(np.ravel(piece, order=order).view(np.uint8).data)


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
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


def _empty(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        return np.empty(shape, dtype)
    except ValueError as error:  # (0, 2**62, 2**62): no data, and yet too large for NumPy
        raise JobError(f"{path}: the header gives a shape that no array has") from error

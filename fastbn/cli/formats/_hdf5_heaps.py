"""A look at the global heaps of an HDF5 file, in which strings are: a damaged one lets the HDF5 library loop for ever.

Its free space has the number 0 and a size, by which the library goes on; a size of 0 leads nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from .._errors import JobError

START = b"GCOL\x01"
LEAST = 4096  # bytes of a heap
STEP = 2**23  # bytes that are searched at once
ENDS = 2**28  # bytes that are searched at both ends of a file, where the heaps of honest ones are


def check_heaps(path: Path, width: int) -> None:
    """Refuse a file with such a heap; `width` is the size of its lengths."""
    status = path.stat()
    _check(path, width, status.st_size, status.st_mtime_ns)


@lru_cache(64)  # a file is opened for every pass over it
def _check(path: Path, width: int, size: int, _: int) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        for start in _heaps(file, size):
            if _leads_nowhere(file, start, width, size):
                raise JobError(f"{path}: not an HDF5 file, or a damaged one: a heap of no length at {start}")
    finally:
        os.close(file)


def _heaps(file: int, size: int) -> Iterator[int]:
    """Where heaps may start."""
    for first, last in ((0, min(ENDS, size)), (max(ENDS, size - ENDS), size)):
        for start in range(first, last, STEP):
            piece = os.pread(file, STEP + len(START) - 1, start)
            found = piece.find(START)
            while found >= 0:
                yield start + found
                found = piece.find(START, found + 1)


def _leads_nowhere(file: int, start: int, width: int, size: int) -> bool:
    header_size = _aligned(8 + width)  # of the heap, and of every object in it
    end = start + int.from_bytes(os.pread(file, width, start + 8), "little")
    if not start + LEAST <= end <= size:
        return False
    place = start + header_size
    while place + header_size <= end:
        header = os.pread(file, 8 + width, place)
        length = int.from_bytes(header[8:], "little")
        if header[:2] != b"\0\0":
            length = header_size + _aligned(length)
        elif not length:
            return True
        place += length
    return False


def _aligned(size: int) -> int:
    return -(-size // 8) * 8

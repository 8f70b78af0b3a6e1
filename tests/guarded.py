"""Arrays beside pages that nobody may touch: a read or a write one element too far ends the process."""

from __future__ import annotations

import ctypes
import mmap
import os

import numpy as np
from numpy.lib.array_utils import byte_bounds

NOTHING = 0  # PROT_NONE
SIDES = ("end", "start")  # of an array, where such a page is


def guarded(x: np.ndarray, side: str) -> np.ndarray:
    """Copy an array, strides and all, so that the page after its last byte, or before its first, cannot be touched.

    The memory between the elements of the array is copied as well. Misaligned numbers stay so: as many bytes as make
    them that, less than an element, lie between them and the page.
    """
    low, high = byte_bounds(x) if x.size else (x.ctypes.data, x.ctypes.data)
    extent = high - low
    page = mmap.PAGESIZE
    room = -(-(extent + x.itemsize) // page) * page
    pages = mmap.mmap(-1, page + room + page)
    if side == "start":
        start = page + low % x.itemsize
    else:
        start = page + room - extent
        start -= (start - low) % x.itemsize
    pages[start : start + extent] = ctypes.string_at(low, extent)
    there = ctypes.c_char.from_buffer(pages)
    for offset in (0, page + room):
        forbid(ctypes.addressof(there) + offset, page)
    del there
    # NumPy asks only that the elements lie in the buffer, which ends with the pages.
    copy = np.ndarray(x.shape, x.dtype, pages, start + x.ctypes.data - low, x.strides)
    copy.flags.writeable = x.flags.writeable
    return copy


def forbid(address: int, size: int) -> None:
    """Let the process end when it touches these pages."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), NOTHING):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))

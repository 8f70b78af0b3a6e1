"""Working memory of the CPU backends: per thread, kept from call to call, starting with a cache line."""

import threading

import numpy as np

from .._kernels.sizes import ENDS, SCRATCH

_LINE = 64  # bytes of a cache line


def _aligned(size: int, dtype: np.dtype) -> np.ndarray:
    """An empty array that starts with a cache line, so that no vector of lanes lies across two."""
    room = np.empty(size * dtype.itemsize + _LINE, np.uint8)
    start = -room.ctypes.data % _LINE
    return room[start : start + size * dtype.itemsize].view(dtype)


class _Scratch(threading.local):
    """Working memory of a thread, kept from call to call: for what lanes hold, and for extremes."""

    def __init__(self) -> None:
        self.lanes = _aligned(SCRATCH, np.dtype(np.float64))
        self._values: dict[np.dtype, np.ndarray] = {}

    def values(self, dtype: np.dtype) -> np.ndarray:
        """Room for the extremes of lanes and slots."""
        array = self._values.get(dtype)
        if array is None:
            array = self._values[dtype] = _aligned(ENDS, dtype)
        return array


scratch = _Scratch()

"""Arrays on a device for tests that are written with arrays on the host.

Within `on_device`, the functions of the package take host arrays to the device, as they lie in memory, and bring
results back. With Numba's simulator both are the same memory; on a GPU they are copied, and written back where results
go.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import fastbn
import fastbn.statistics
from fastbn.batchnorm import BatchNormGradients

FUNCTIONS = (
    "batch_norm",
    "batch_norm_backward",
    "channel_stats",
    "denormalize",
    "group_norm",
    "group_norm_backward",
    "instance_norm",
    "instance_norm_backward",
    "layer_norm",
    "layer_norm_backward",
    "minmax_scale",
    "minmax_unscale",
    "normalize",
    "zscore",
)
#: Arguments that may be on a device; others, of one number per channel, go there by themselves.
ARRAYS = ("x", "y", "dy", "out", "where", "weights", "running_mean", "running_var")


class _Region:
    """Memory of a device by its address, with any strides."""

    def __init__(self, base: Any, offset: int, array: np.ndarray) -> None:
        self.base = base
        self.__cuda_array_interface__ = {
            "data": (base.device_ctypes_pointer.value + offset, False),
            "shape": array.shape,
            "strides": array.strides,
            "typestr": array.dtype.str,
            "version": 3,
        }


def mend_simulator() -> None:
    """Make the simulator fast, and right at that speed.

    Its scheduler polls, and keeps Python's lock for the whole interval of switches meanwhile: 5 ms for each turn of a
    thread. With 10 us all takes a thirtieth of the time; but then two threads may allocate the same shared array.
    """
    from numba.cuda.simulator.kernelapi import FakeCUDAShared

    lock = threading.Lock()

    def array(self: Any, shape: int, dtype: Any) -> np.ndarray:
        frame = sys._getframe(1)
        place = frame.f_code.co_filename, frame.f_lineno
        with lock:
            return self._allocations.setdefault(place, np.full(shape, SPOILT, dtype))

    FakeCUDAShared.array = array
    sys.setswitchinterval(1e-5)


LARGEST = 1000  # values for the simulator, which takes some 50 us for each
MOST = 300  # arrays in a test
SPOILT = 77  # what is in shared memory before anything is written to it


class _Simulated:
    """The simulator's arrays are host memory."""

    def __init__(self) -> None:
        from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

        self._kind = FakeCUDAArray
        self._count = 0
        mend_simulator()

    def put(self, array: np.ndarray) -> Any:
        self._count += 1
        if array.size > LARGEST or self._count > MOST:
            pytest.skip("too much for the simulator")
        return self._kind(array)

    def get(self, value: Any) -> Any:
        return value._ary if isinstance(value, self._kind) else value

    def write_back(self, array: np.ndarray, value: Any) -> None:
        """Nothing was copied."""


class _Real:
    """Copies of the memory from the first byte of an array to its last."""

    def put(self, array: np.ndarray) -> Any:
        from numba import cuda

        low, high = np.lib.array_utils.byte_bounds(array)
        memory = np.lib.stride_tricks.as_strided(
            _first(array).view(np.uint8) if array.size else np.zeros(1, np.uint8), (max(high - low, 1),), (1,)
        )
        return _Region(cuda.to_device(memory), array.__array_interface__["data"][0] - low if array.size else 0, array)

    def get(self, value: Any) -> Any:
        return value.copy_to_host() if hasattr(value, "copy_to_host") else value

    def write_back(self, array: np.ndarray, value: Any) -> None:
        memory = value.base.copy_to_host()
        offset = value.__cuda_array_interface__["data"][0] - value.base.device_ctypes_pointer.value
        array[...] = np.ndarray(array.shape, array.dtype, memory, offset, array.strides)


def _first(array: np.ndarray) -> np.ndarray:
    """The element with the lowest address, as an array."""
    low = array[tuple(slice(-1, None) if stride < 0 else slice(0, 1) for stride in array.strides)]
    return low.reshape(-1)


def _moved(function: Any, device: Any) -> Any:
    """A function that takes its arrays to the device and back."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            return function(*args, **kwargs)
        moved: dict[int, tuple[np.ndarray, Any]] = {}
        for name in ARRAYS:
            value = given.get(name)
            if isinstance(value, np.ma.MaskedArray):
                pytest.skip("masked arrays stay on the host")
            if name in {"x", "y", "dy"} and isinstance(value, list | tuple | float | int):
                value = np.asarray(value)
            if type(value) is np.ndarray:
                odd = any(stride % value.itemsize for stride in (*value.strides, value.ctypes.data))
                if not value.dtype.isnative or (odd and value.size):
                    pytest.skip("not for devices")
                if id(value) not in moved:
                    moved[id(value)] = value, device.put(value)
                given[name] = moved[id(value)][1]
        result = function(**given)
        for name in ("out", "running_mean", "running_var"):
            value = kwargs.get(name)
            if type(value) is np.ndarray:
                device.write_back(*moved[id(value)])
        return _back(result, device, {id(theirs): ours for ours, theirs in moved.values()})

    return call


def _back(result: Any, device: Any, known: dict[int, np.ndarray]) -> Any:
    if isinstance(result, BatchNormGradients):
        return BatchNormGradients(*(_back(part, device, known) for part in result))
    if isinstance(result, tuple):
        return tuple(_back(part, device, known) for part in result)
    return known[id(result)] if id(result) in known else device.get(result)


@contextmanager
def on_device() -> Iterator[None]:
    """Let the functions of the package work on the device."""
    from fastbn._backends._cuda_machine import SIMULATED

    device = _Simulated() if SIMULATED else _Real()
    before = {name: getattr(fastbn, name) for name in FUNCTIONS}
    for name, function in before.items():
        setattr(fastbn, name, _moved(function, device))
    fastbn.statistics.channel_stats = fastbn.channel_stats
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(fastbn, name, function)
        fastbn.statistics.channel_stats = before["channel_stats"]

"""Memory, streams and events of a device, for arrays that come and go in parts (``fastbn/_pipeline.py``).

Design. Three streams of a device, made once: uploads, downloads, and the work in between, which parts name in their
CUDA array interface and which results, and statistics that nobody has looked at yet, name for as long as they live.

They are made by ``cuda.stream()``, so with the driver's default flag: each of them and the legacy default stream
(Numba's stream 0, and PyTorch's and CuPy's while nothing else is chosen) wait for each other, but they do not wait for
one another. Work that somebody puts on the default stream therefore finds its part there and is done before the part
is overwritten; it keeps uploads from running meanwhile, which is the price. Non-blocking streams, which Numba makes
none of, would turn such work into a race. This package itself puts nothing on the default stream here.

In Numba's simulator all is host memory, and is done at once.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from .._devices import OnDevice, memory_errors, numba_stream
from ._cuda_machine import SIMULATED

_NO_ROOM = "no room for a part in {}: a smaller part_bytes may help"
_BYTE = np.dtype(np.uint8)


class _Streams(NamedTuple):
    upload: Any
    compute: Any
    download: Any


@functools.cache
def _streams(device: int) -> _Streams:
    with cuda.gpus[device]:
        return _Streams(cuda.stream(), cuda.stream(), cuda.stream())


class Transfers:
    """What ``fastbn/_pipeline.py`` asks of a device: the current one, or one by its number."""

    def __init__(self, device: int | None) -> None:
        self.device = _current() if device is None else _checked(device)
        self.upload, self.compute, self.download = _streams(self.device)

    def active(self) -> Any:
        """The context in which everything below is to be called."""
        return cuda.gpus[self.device]

    def free(self) -> float:
        """Bytes that nobody has taken yet."""
        return float(cuda.current_context().get_memory_info().free)

    def event(self) -> Any:
        """A point in a stream, which others can wait for; one that was not recorded yet is over."""
        return cuda.event()

    def pinned(self, size: int) -> np.ndarray:
        """Bytes of the host that the device can copy while the host does something else."""
        with memory_errors(_NO_ROOM.format("page-locked memory")):
            array: np.ndarray = cuda.pinned_array(size, _BYTE)
        return array

    def memory(self, size: int) -> Any:
        """Bytes of the device."""
        with memory_errors(_NO_ROOM.format("the device")):
            return cuda.device_array(size, _BYTE)

    def array(self, memory: Any, shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype) -> Any:
        """The first of some bytes as an array of Numba on the stream of compute."""
        if SIMULATED:
            return cuda.device_array(shape, dtype, buffer=memory._ary, strides=strides)
        return _imported(_address(memory), shape, strides, dtype, memory, int(self.compute))

    def send(self, pinned: np.ndarray, memory: Any, size: int) -> None:
        """Copy the first bytes to the device, on the stream of uploads."""
        memory[:size].copy_to_device(pinned[:size], stream=self.upload)

    def keep(self, result: OnDevice, memory: Any) -> Any:
        """Copy an array without gaps into bytes of the device, on the stream that made it, and return that."""
        if SIMULATED:
            flat = np.lib.stride_tricks.as_strided(result.view(np.ndarray), (result.size,), (result.itemsize,))
            memory[: result.nbytes].copy_to_device(flat.view(_BYTE))
            return self.compute
        stream = numba_stream(result.place)
        address, size = result.__array_interface__["data"][0], (result.nbytes,)
        memory[: result.nbytes].copy_to_device(
            _imported(address, size, (1,), _BYTE, result.place.owner, None), stream=stream
        )
        return stream

    def fetch(self, memory: Any, pinned: np.ndarray, size: int) -> None:
        """Copy the first bytes to the host, on the stream of downloads."""
        memory[:size].copy_to_host(pinned[:size], stream=self.download)


def _address(memory: Any) -> int:
    return int(memory.__cuda_array_interface__["data"][0])


def _imported(
    address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype, owner: Any, stream: int | None
) -> Any:
    """Memory of the device as an array of Numba, which keeps its owner alive; nothing is waited for."""
    interface = {"data": (address, False), "shape": shape, "strides": strides, "typestr": dtype.str, "version": 3}
    return cuda.from_cuda_array_interface(interface | {"stream": stream}, owner=owner, sync=False)


def _current() -> int:
    """The device of the current context; the first one if there is no context yet, as for Numba."""
    current = cuda.gpus.current
    return 0 if current is None else int(current.id)


def _checked(device: int) -> int:
    count = len(cuda.gpus)
    if not 0 <= device < count:
        raise ValueError(f"device: got {device}; wants a number in [0, {count})")
    return device

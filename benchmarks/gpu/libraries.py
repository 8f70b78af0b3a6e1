"""Libraries of arrays on GPUs that are installed: how data get there and back, and streams beside the default one."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import cuda


class Side(NamedTuple):
    """A stream beside the default one."""

    stream: Any  # as Numba sees it
    current: Callable[[], Any]  # a context in which the library works on it


class Numba:
    """Arrays of `numba.cuda`, which may carry a stream."""

    name = "numba"

    def put(self, array: np.ndarray, stream: Any = 0) -> Any:
        """An array on the device, copied on a stream."""
        return cuda.to_device(array, stream=stream)

    def get(self, value: Any) -> np.ndarray:
        """A copy on the host, of what is finished."""
        return value.copy_to_host()

    def like(self, x: Any) -> Any:
        """Memory for a result."""
        return cuda.device_array_like(x)

    def seen(self, x: Any) -> Any:
        """The array as kernels of Numba take it."""
        return x

    def bound(self, x: Any, stream: Any) -> Any:
        """The array, its work to go to a stream."""
        return x.bind(stream)

    def sides(self) -> dict[str, Callable[[], Side]]:
        """Ways to make streams."""
        return {"stream": self._blocking, "non-blocking stream": self._non_blocking}

    def _blocking(self) -> Side:
        """Numba's own, for which the legacy default stream waits."""
        return Side(cuda.stream(), contextlib.nullcontext)

    def _non_blocking(self) -> Side:
        driver = importlib.import_module("cuda.bindings.driver")
        error, stream = driver.cuStreamCreate(driver.CUstream_flags.CU_STREAM_NON_BLOCKING.value)
        if int(error):
            raise RuntimeError(f"cuStreamCreate: {error}")
        return Side(cuda.external_stream(int(stream)), contextlib.nullcontext)


class _Foreign:
    """Arrays that Numba sees by the CUDA array interface, work on which goes to a current stream."""

    def seen(self, x: Any) -> Any:
        """The array as kernels of Numba take it, without waiting for its stream."""
        return cuda.as_cuda_array(x, sync=False)

    def bound(self, x: Any, stream: Any) -> Any:  # noqa: ARG002
        """The array: its stream is the current one."""
        return x


class Torch(_Foreign):
    """PyTorch's tensors."""

    name = "torch"

    def __init__(self) -> None:
        self.torch = importlib.import_module("torch")

    def put(self, array: np.ndarray, stream: Any = 0) -> Any:  # noqa: ARG002
        """An array on the device, copied on the current stream."""
        return self.torch.from_numpy(np.ascontiguousarray(array)).cuda()

    def get(self, value: Any) -> np.ndarray:
        """A copy on the host."""
        return value.cpu().numpy()

    def sides(self) -> dict[str, Callable[[], Side]]:
        """Ways to make streams."""
        return {"stream": self._stream}  # all of PyTorch's are non-blocking

    def _stream(self) -> Side:
        stream = self.torch.cuda.Stream()
        return Side(cuda.external_stream(int(stream.cuda_stream)), lambda: self.torch.cuda.stream(stream))


class CuPy(_Foreign):
    """CuPy's arrays."""

    name = "cupy"

    def __init__(self) -> None:
        self.cupy = importlib.import_module("cupy")

    def put(self, array: np.ndarray, stream: Any = 0) -> Any:  # noqa: ARG002
        """An array on the device, copied on the current stream."""
        return self.cupy.asarray(array)

    def get(self, value: Any) -> np.ndarray:
        """A copy on the host."""
        return value.get()

    def sides(self) -> dict[str, Callable[[], Side]]:
        """Ways to make streams."""
        return {"non-blocking stream": self._stream}

    def _stream(self) -> Side:
        stream = self.cupy.cuda.Stream(non_blocking=True)
        return Side(cuda.external_stream(int(stream.ptr)), lambda: stream)


def torch() -> Torch | None:
    """PyTorch, if it is installed and works with GPUs."""
    try:
        library = Torch()
    except ImportError:
        return None
    return library if library.torch.cuda.is_available() else None


def cupy() -> CuPy | None:
    """CuPy, if it is installed and finds a GPU."""
    try:
        library = CuPy()
        return library if library.cupy.cuda.is_available() else None
    except ImportError:
        return None


def installed() -> list[Any]:
    """All that are there."""
    return [Numba(), *(library for library in (torch(), cupy()) if library is not None)]


def free_memory() -> float:
    """Bytes that can be had, after what nobody needs was given back; in the simulator, any number."""
    gc.collect()
    context = cuda.current_context()
    if hasattr(context, "memory_manager"):  # Numba's are put off until they are many
        context.memory_manager.deallocations.clear()
    if "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()
    if "cupy" in sys.modules:
        sys.modules["cupy"].get_default_memory_pool().free_all_blocks()
    return context.get_memory_info().free

"""CUDA's forms of what the kernels leave to a compiler, and the launch of a kernel.

All that is Numba's about CUDA enters the package here, and in ``_cuda_transfers.py`` what copies arrays. With
``NUMBA_ENABLE_CUDASIM=1`` kernels run as Python, one thread of Python per thread of a block, in host memory: for tests.
There ``cuda.fma`` rounds twice, so the algebra's own forms take its place, and numbers are NumPy's, which divide as a
GPU does.
"""

import contextlib
import functools
import os
import threading
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from numba import config, cuda, types
from numba.np import numpy_support

from .. import _algebra
from .._devices import Place, memory_errors
from .._kernels import machine, variants
from .._kernels.grid import groups, narrow
from . import _cuda_groups
from .binding import Compiler, Known, digest_of

SIMULATED = bool(config.ENABLE_CUDASIM)
_lock = threading.Lock()


def _compile(function: FunctionType, module: ModuleType) -> Any:
    """A device function; a kernel is compiled when its signature is known."""
    kernel = function.__name__ in getattr(module, "KERNELS", ())
    return function if kernel or SIMULATED else cuda.jit(function, device=True)


def lacking() -> str | None:
    """What CUDA lacks here, if it does; or the error of its driver or compiler."""
    if SIMULATED:
        return None
    if not cuda.is_available():
        return f"no GPU can be used ({str(cuda.cuda_error() or 'no device is there').strip()})"
    if cuda.implementation != "NVIDIA":  # that of Numba itself is frozen, and good for its simulator
        return "numba-cuda is not installed"
    Kernel(_nothing, (int,))(1, 1, Place(None, cuda.get_current_device().id, 0, None), 0)  # type: ignore[arg-type]
    cuda.default_stream().synchronize()
    return None


def _nothing(n):
    """A kernel to be launched once, which shows that driver and compiler are there."""


@functools.cache
def _digest() -> str:
    return digest_of(__file__, _cuda_groups.__file__)


compiler = Compiler(_compile, _digest)


@functools.cache
def known_operations() -> Known:
    """What kernels may call of the machine: source function -> compiled function."""
    known = _simulated() if SIMULATED else _compiled()
    known |= {kind: kind for kind in (np.float64, np.int64, np.uint64)}  # conversions
    known = compiler.share(known, [machine], {})
    return {formula: known.get(form, form) for formula, form in variants.COMPILED.items()} | known


@functools.cache
def known_groups(values: int) -> Known:
    """So many values at a time."""
    if SIMULATED:
        return compiler.share({}, [groups], {"VALUES": values})
    return _cuda_groups.compiled(values)


def _simulated() -> Known:
    """The algebra's own forms: the simulator's ``fma`` rounds twice."""
    own = {formula: formula for formula in (_algebra.two_prod, _algebra.multiply_add, np.sqrt)}
    return own | {machine.two_prod: _algebra.two_prod, machine.multiply_add: _algebra.multiply_add}


def _compiled() -> Known:
    # Never part of a fused operation, as ``a * b`` may be.
    product, product_single = cuda.libdevice.dmul_rn, cuda.libdevice.fmul_rn
    bits_of_single, bits_of_double = cuda.libdevice.float_as_int, cuda.libdevice.double_as_longlong

    def two_prod(a, b):
        p = product(a, b)
        return p, cuda.fma(a, b, -p)

    def multiply_add(a, b, c):
        return cuda.fma(a, b, c)

    def single_pattern(v):
        return np.int64(bits_of_single(v))

    def sum_pattern(v):
        return np.int64(bits_of_double(v))

    def two_prod_single(a, b):
        p = product_single(a, b)
        return p, cuda.fma(a, b, -p)

    forms = (two_prod, multiply_add, single_pattern, sum_pattern)
    known = {getattr(machine, form.__name__): cuda.jit(form, device=True) for form in forms}
    known[narrow.two_prod_single] = cuda.jit(two_prod_single, device=True)
    # Functions return no part of an array.
    known[machine.window] = cuda.jit(machine.window, device=True, inline="always")
    return known


class Pointer:
    """What a kernel of the simulator gets for memory: elements by their distance from one, within bounds."""

    __slots__ = ("_flat", "_origin")

    def __init__(self, array: np.ndarray) -> None:
        lengths = [(size - 1) * stride for size, stride in zip(array.shape, array.strides, strict=True)]
        before, after = sum(min(n, 0) for n in lengths), sum(max(n, 0) for n in lengths)
        lowest: Any = (..., *(slice(None, None, -1 if n < 0 else 1) for n in lengths))  # a view, without axes too
        first = array[lowest]
        size = (after - before) // array.itemsize + 1
        self._flat = np.lib.stride_tricks.as_strided(first, (size,), (array.itemsize,))
        self._origin = int(-before // array.itemsize)

    def __getitem__(self, k: int) -> Any:
        return self._flat[self._at(k)]

    def __setitem__(self, k: int, v: Any) -> None:
        self._flat[self._at(k)] = v

    def _at(self, k: int) -> int:
        at = int(k) + self._origin
        if not 0 <= at < self._flat.size:
            raise IndexError(f"element {k} is outside the array")
        return at


class Kernel:
    """A kernel with its signature, compiled when it is first launched and kept on disk."""

    def __init__(self, function: FunctionType, arguments: tuple[Any, ...]) -> None:
        self._function = function
        self._types = arguments

    @property
    def signature(self) -> Any:
        """As Numba has it."""
        return types.void(*map(_type_of, self._types))

    @property
    def function(self) -> FunctionType:
        """What is compiled."""
        return self._function

    @functools.cached_property
    def _compiled(self) -> Any:
        if SIMULATED:
            return cuda.jit(_quietly(self._function))
        cache = os.environ.get("FASTBN_NUMBA_CACHE", "1") != "0"
        # Without the optimization at link time that Numba would choose: what runs is what tests/test_ptx.py saw.
        return cuda.jit(self.signature, cache=cache, lto=False)(self._function)

    def __call__(self, blocks: int, threads: int, place: Place, *arguments: Any) -> None:
        """Launch it on the stream of a place."""
        given = [
            _argument(v, kind) if isinstance(v, np.ndarray) else v
            for v, kind in zip(arguments, self._types, strict=True)
        ]
        if SIMULATED:
            with _lock:  # the simulator runs one kernel at a time
                self._compiled[blocks, threads](*given)
            return
        with _active(place.device), memory_errors():
            _configured(self._compiled, blocks, threads, _stream(place.device, place.stream))(*given)


class Launches:
    """Kernels in the order in which they are to run on the stream of a place.

    They are launched at the end of the outermost ``with``, when all memory that they need is there: where it is not,
    nothing has been written.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._depth = 0
        self._waiting: list[tuple[Kernel, int, int, tuple[Any, ...]]] = []

    def add(self, kernel: Kernel, blocks: int, threads: int, *arguments: Any) -> None:
        """One more."""
        self._waiting.append((kernel, blocks, threads, arguments))

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._depth -= 1
        if self._depth > 0:
            return
        waiting, self._waiting = self._waiting, []
        if kind is None:
            for kernel, blocks, threads, arguments in waiting:
                kernel(blocks, threads, self._place, *arguments)


def _type_of(kind: Any) -> Any:
    """A pointer for a dtype, else an int64 or a float64."""
    if isinstance(kind, np.dtype):
        return types.CPointer(numpy_support.from_dtype(kind))
    return {int: types.int64, float: types.float64}[kind]


def _argument(array: np.ndarray, kind: np.dtype) -> Any:
    """Memory as a kernel takes it; float16 may come as its bits."""
    if SIMULATED:
        return Pointer(array.view(np.ndarray).view(kind))
    return int(array.__array_interface__["data"][0])


def _quietly(function: FunctionType) -> FunctionType:
    """The same without NumPy's warnings, in the scope where the simulator puts its own ``cuda``."""
    errstate = np.errstate

    def run(*arguments):
        with errstate(all="ignore"):
            function(*arguments)

    return FunctionType(run.__code__, function.__globals__, function.__name__, None, run.__closure__)


@contextlib.contextmanager
def _active(device: int) -> Any:
    """The device's context."""
    with cuda.gpus[device]:
        yield


@functools.cache
def ratio_of(device: int) -> int:
    """How many times as fast as float64 a device computes float32."""
    return 1 if SIMULATED else int(cuda.gpus[device].SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO)


@functools.lru_cache(256)
def _stream(device: int, stream: int) -> Any:  # noqa: ARG001
    return cuda.external_stream(stream) if stream else cuda.default_stream()


@functools.lru_cache(1024)
def _configured(compiled: Any, blocks: int, threads: int, stream: Any) -> Any:
    """A launcher: without Numba's warning of small grids, which users of ``-W error`` would get."""
    with _lock:
        warned = config.CUDA_LOW_OCCUPANCY_WARNINGS
        config.CUDA_LOW_OCCUPANCY_WARNINGS = 0
        try:
            return compiled[blocks, threads, stream]
        finally:
            config.CUDA_LOW_OCCUPANCY_WARNINGS = warned

"""Arrays of devices: recognised without importing anybody's library, seen as NumPy sees memory, never read.

Design. `OnDevice` is an ndarray over the addresses of a device's memory. NumPy's own views, strides and tests for
overlap work on it, so that whatever knows axes (``_layout.py``) serves for devices as it is; its values cannot be
reached from here, and everything that would try is refused. Results are allocated by the library that an argument came
from, on the same device, and work is ordered on the stream that is current there.
"""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ._tensors import readable_tensor


class Place(NamedTuple):
    """Where an array lies, and who may allocate beside it."""

    library: "Library"
    device: int
    stream: int  # as the driver numbers them; 0 is the default one
    owner: Any  # keeps the memory alive


_LAYOUT = (np.may_share_memory, np.shares_memory, np.broadcast_to)


#: Before NumPy 2.1 `reshape` cannot be told so; nothing here asks for a copy.
_VIEW_ONLY: dict[str, Any] = {"copy": False} if np.lib.NumpyVersion(np.__version__) >= "2.1.0" else {}


class OnDevice(np.ndarray):
    """Memory of a device by its addresses: views of it can be made, its values not be read."""

    place: Place
    __array_ufunc__ = None  # type: ignore[assignment]

    def __array_finalize__(self, obj: Any) -> None:
        if (place := getattr(obj, "place", None)) is not None:
            self.place = place

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func not in _LAYOUT:
            raise TypeError(f"{func.__name__}: got an array on a device, which NumPy cannot read")
        if func is np.broadcast_to:  # which else returns a plain array, whose values NumPy would go and read
            kwargs = kwargs | {"subok": True}
        return super().__array_function__(func, (OnDevice,), args, kwargs)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("an array on a device was about to be read by NumPy")

    __array__ = __iter__ = __bool__ = __float__ = __int__ = __contains__ = _refuse
    all = any = astype = copy = flatten = item = max = min = ravel = sum = tobytes = tolist = _refuse

    def reshape(self, *shape: Any, **_: Any) -> "OnDevice":
        """A view: where there is none, NumPy would read what it copies."""
        view: OnDevice = super().reshape(*shape, **_VIEW_ONLY)
        return view

    def __repr__(self) -> str:
        return f"<{self.dtype} {self.shape} on device {self.place.device}>"

    __str__ = __repr__


class _Memory:
    """What NumPy asks of somebody who has memory."""

    def __init__(
        self, data: tuple[int, bool], shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype
    ) -> None:
        self.__array_interface__ = {
            "data": data,  # address, and whether it is only to be read
            "shape": shape,
            "strides": strides,
            "typestr": dtype.str,
            "version": 3,
        }


def dense(shape: tuple[int, ...], dtype: np.dtype) -> tuple[int, ...]:
    """Strides in bytes of an array in C order."""
    strides, step = [], dtype.itemsize
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def dense_like(array: np.ndarray, dtype: np.dtype) -> tuple[int, ...]:
    """Strides in bytes without gaps, in the order in memory of an array (as ``numpy.empty_like`` chooses them)."""
    strides, step = [0] * array.ndim, dtype.itemsize
    for a in sorted(range(array.ndim), key=lambda a: (abs(array.strides[a]), -a)):
        strides[a] = step
        step *= max(array.shape[a], 1)
    return tuple(strides)


_OUT_OF_MEMORY = 2  # as the driver numbers errors


@contextlib.contextmanager
def memory_errors(said: str = "the device has no memory left") -> Iterator[None]:
    """Let what a driver or a library says of memory that is not there be Python's own error."""
    try:
        yield
    except MemoryError:  # CuPy's is one
        raise
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError" or getattr(error, "code", None) == _OUT_OF_MEMORY:
            raise MemoryError(f"{said} ({error})") from error
        raise


class Library:
    """Somebody's arrays on devices, as the CUDA array interface tells them; results are Numba's."""

    def holds(self, x: Any) -> bool:
        """Whether this is an array on a device."""
        return hasattr(x, "__cuda_array_interface__")

    def seen(self, x: Any, name: str) -> OnDevice:
        """An argument as this package sees it."""
        return self._placed(np.asarray(_Memory(*self._memory(x, name))), x)

    def empty(self, shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype, beside: Place) -> Any:
        """A new array of theirs, with strides in bytes that leave no gaps."""
        # It names the stream it is made on, if that has a name (0 has none), so that other calls follow there.
        with _cuda().gpus[beside.device]:
            stream = numba_stream(beside) if beside.stream else 0
            return _cuda().device_array(shape, dtype, strides=strides, stream=stream)

    def host(self, seen: OnDevice) -> np.ndarray:
        """A copy, on the host, of a whole array: waits until what was asked of its stream is done."""
        owner = seen.place.owner
        with _cuda().gpus[seen.place.device]:
            array = owner if hasattr(owner, "copy_to_host") else _cuda().as_cuda_array(owner, sync=False)
            return np.asarray(array.copy_to_host(stream=numba_stream(seen.place)))

    def upload(self, array: np.ndarray, beside: Place) -> OnDevice:
        """A copy of a small array on the device, without waiting."""
        made = self.empty(array.shape, dense(array.shape, array.dtype), array.dtype, beside)
        with _cuda().gpus[beside.device]:
            made.copy_to_device(array, stream=numba_stream(beside))
        return self.beside_of(made, beside)

    def beside_of(self, made: Any, beside: Place) -> OnDevice:
        """A new array of theirs, on the stream of another."""
        seen = self.seen(made, "")
        seen.place = beside._replace(owner=made)
        return seen

    def _placed(self, memory: np.ndarray, x: Any) -> OnDevice:
        view = memory.view(OnDevice)
        view.place = Place(self, self._device(x), self._stream(x), x)
        return view

    def _memory(self, x: Any, name: str) -> tuple[tuple[int, bool], tuple[int, ...], tuple[int, ...], np.dtype]:
        interface = x.__cuda_array_interface__
        if interface.get("mask") is not None:
            raise TypeError(f"{name}: got an array with a mask; wants a plain one, and what counts as where=")
        shape, dtype = tuple(interface["shape"]), np.dtype(interface["typestr"])
        strides = interface.get("strides")
        return interface["data"], shape, dense(shape, dtype) if strides is None else tuple(strides), dtype

    def _device(self, x: Any) -> int:  # noqa: ARG002
        return int(_cuda().get_current_device().id)

    def _stream(self, x: Any) -> int:
        return int(x.__cuda_array_interface__.get("stream") or 0)

    def _finish(self, seen: OnDevice) -> None:
        """Wait for an array whose stream is not the current one: for all streams, for it may be gone by now."""
        if self._stream(seen.place.owner) != seen.place.stream:
            with _cuda().gpus[seen.place.device]:
                _cuda().synchronize()


class _Numba(Library):
    """Arrays of ``numba.cuda``; its simulator's are in host memory."""

    def holds(self, x: Any) -> bool:
        return bool(getattr(x, "__cuda_ndarray__", False))

    def seen(self, x: Any, name: str) -> OnDevice:
        simulated = getattr(x, "_ary", None)
        return super().seen(x, name) if simulated is None else self._placed(simulated, x)

    def _device(self, x: Any) -> int:
        return 0 if hasattr(x, "_ary") else int(x.gpu_data.context.device.id)

    def _stream(self, x: Any) -> int:
        return 0 if hasattr(x, "_ary") else super()._stream(x)


class _CuPy(Library):
    """CuPy's arrays, on its current stream."""

    def empty(self, shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype, beside: Place) -> Any:
        cupy = importlib.import_module("cupy")
        with cupy.cuda.Device(beside.device):
            memory = cupy.empty(int(np.prod(shape, dtype=np.int64)), dtype)
        return cupy.ndarray(shape, dtype, memory.data, strides)

    def host(self, seen: OnDevice) -> np.ndarray:
        self._finish(seen)
        return np.asarray(seen.place.owner.get())

    def upload(self, array: np.ndarray, beside: Place) -> OnDevice:
        cupy = importlib.import_module("cupy")
        with cupy.cuda.Device(beside.device):
            return self.beside_of(cupy.asarray(array), beside)

    def _device(self, x: Any) -> int:
        return int(x.device.id)

    def _stream(self, x: Any) -> int:
        cuda = importlib.import_module("cupy").cuda
        with cuda.Device(x.device.id):  # each has one of its own
            return int(cuda.get_current_stream().ptr)


class _Torch(Library):
    """PyTorch's tensors, on its current stream."""

    def holds(self, x: Any) -> bool:
        return bool(getattr(x, "is_cuda", False))

    def empty(self, shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype, beside: Place) -> Any:
        torch = importlib.import_module("torch")
        steps = tuple(stride // dtype.itemsize for stride in strides)
        return torch.empty_strided(shape, steps, dtype=getattr(torch, dtype.name), device=beside.owner.device)

    def host(self, seen: OnDevice) -> np.ndarray:
        self._finish(seen)
        return np.asarray(seen.place.owner.detach().cpu().numpy())

    def upload(self, array: np.ndarray, beside: Place) -> OnDevice:
        torch = importlib.import_module("torch")
        return self.beside_of(torch.from_numpy(array).to(beside.owner.device, non_blocking=True), beside)

    def _memory(self, x: Any, name: str) -> tuple[tuple[int, bool], tuple[int, ...], tuple[int, ...], np.dtype]:
        dtype = readable_tensor(x, name)
        return (x.data_ptr(), False), tuple(x.shape), tuple(n * dtype.itemsize for n in x.stride()), dtype

    def _device(self, x: Any) -> int:
        return int(x.device.index)

    def _stream(self, x: Any) -> int:
        return int(importlib.import_module("torch").cuda.current_stream(x.device).cuda_stream)


_LIBRARIES: dict[str, Library] = {"numba": _Numba(), "numba_cuda": _Numba(), "cupy": _CuPy(), "torch": _Torch()}
_ANYBODY = Library()


def _cuda() -> Any:
    return sys.modules.get("numba.cuda") or importlib.import_module("numba.cuda")


def numba_stream(place: Place) -> Any:
    """The stream of a place, as Numba has it."""
    if place.stream:
        return _cuda().external_stream(place.stream)
    return getattr(_cuda(), "default_stream", int)()  # its simulator has none, and takes 0


def on_device(x: Any, name: str) -> OnDevice | None:
    """An argument, if it is an array on a device."""
    if isinstance(x, OnDevice):
        return x
    if type(x) is np.ndarray:
        return None
    kinds = (kind.__module__.partition(".")[0] for kind in type(x).__mro__)  # subclasses may be of anybody
    library = next((_LIBRARIES[kind] for kind in kinds if kind in _LIBRARIES), _ANYBODY)
    return _checked(library.seen(x, name), name) if library.holds(x) else None


def _checked(seen: OnDevice, name: str) -> OnDevice:
    """Refuse elements that a device could not load: it reads numbers in its own order, at multiples of their size."""
    if not seen.dtype.isnative:
        raise TypeError(f"{name}: got dtype {seen.dtype} on a device; wants the order of bytes of this machine")
    if any(stride % seen.itemsize for stride in seen.strides):
        raise ValueError(f"{name}: got strides {seen.strides} on a device; wants multiples of {seen.itemsize}")
    address = seen.__array_interface__["data"][0]
    if seen.size and address % seen.itemsize:
        raise ValueError(f"{name}: got address {address:#x} on a device; wants a multiple of {seen.itemsize}")
    return seen


def empty_like(array: OnDevice, dtype: np.dtype) -> Any:
    """A new array of the same library, on the same device, laid out as another one is."""
    place = array.place
    with memory_errors():
        return place.library.empty(array.shape, dense_like(array, dtype), dtype, place)


def empty(shape: tuple[int, ...], dtype: np.dtype, place: Place) -> OnDevice:
    """Room for work beside an array."""
    with memory_errors():
        return place.library.beside_of(place.library.empty(shape, dense(shape, dtype), dtype, place), place)


def upload(array: np.ndarray, beside: OnDevice | Place) -> OnDevice:
    """A copy of a small array beside another, without waiting."""
    place = beside.place if isinstance(beside, OnDevice) else beside
    with memory_errors():
        return place.library.upload(np.array(array, order="C"), place)  # PyTorch warns of what cannot be written to

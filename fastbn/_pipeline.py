"""How parts of an array on the host reach a device and results come back, while the device works.

Design. Copies run beside the work only from page-locked memory, so a part takes two steps: a thread copies part k + 2
into a page-locked buffer (any strides, any order of bytes) while the device copies part k + 1 and works on part k.
There are two buffers on the host and two on the device; part k has those of its parity. Before part k is handed out,
the upload of k + 1 is under way. It waits, on the device, for the work on k - 1, whose buffer it takes: the work put on
the stream of compute until k was asked for. The host waits until part k is there, which costs next to nothing, for the
work on it cannot start before, and sets its page-locked buffer free for k + 2.

Results are first copied on the device, in the order of the stream that made them, so that whoever made them may
overwrite them at once; then into page-locked memory, and by the host into ``out`` when that buffer is needed again.

Nothing here knows Numba: tests drive it with a device that does everything as late, or as early, as it may.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from ._arrays import plain_array
from ._devices import OnDevice, dense_like

if TYPE_CHECKING:
    from concurrent.futures import Future

Index = tuple[slice, ...]


class Stream(Protocol):
    """What is done in order."""

    def synchronize(self) -> None: ...


class Event(Protocol):
    """A point in a stream; one that was not recorded yet is over."""

    def record(self, stream: Any) -> None: ...

    def wait(self, stream: Any) -> None: ...

    def synchronize(self) -> None: ...


class Device(Protocol):
    """Streams, events, memory and copies; ``_backends/_cuda_transfers.py`` says what each is."""

    device: int
    upload: Any
    compute: Any
    download: Any

    def active(self) -> AbstractContextManager[Any]: ...

    def event(self) -> Any: ...

    def pinned(self, size: int) -> np.ndarray: ...

    def memory(self, size: int) -> Any: ...

    def array(self, memory: Any, shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype) -> Any: ...

    def send(self, pinned: np.ndarray, memory: Any, size: int) -> None: ...

    def keep(self, result: OnDevice, memory: Any) -> Any: ...

    def fetch(self, memory: Any, pinned: np.ndarray, size: int) -> None: ...


class Part:
    """A part of an array of the host, on the device; made by `stream_from_host`.

    Attributes
    ----------
    array : device array
        Of ``numba.cuda``, in the dtype of the data (in the machine's order of bytes), laid out in memory as the part of
        the data is. It may be written to. It holds this part until the next one is asked for.
    index : tuple of slice
        Where the part lies in the data: ``x[part.index]``.

    See Also
    --------
    stream_from_host : Makes them, with an example of all of it.

    Examples
    --------
    Where there is a GPU (``"cuda"`` among the `backends`):

    >>> import numpy as np, fastbn
    >>> part = next(fastbn.stream_from_host(np.arange(6.0).reshape(3, 2)))
    >>> part.index, part.array.shape
    ((slice(0, 3, None), slice(None, None, None)), (3, 2))
    """

    __module__ = "fastbn.streaming"  # its public place
    __slots__ = ("_put", "_refusal", "array", "index")

    def __init__(self, array: Any, index: Index, put: Callable[[Any], None], refusal: str) -> None:
        self.array = array
        self.index = index
        self._put = put
        self._refusal = refusal

    def store(self, result: Any) -> None:
        """Copy a result to ``out[part.index]``, while the next parts are worked on.

        It is there when the loop has ended. `result` may be overwritten at once by work on its own stream.

        Parameters
        ----------
        result : device array
            Of any library, on the device of the part, of its shape and the dtype of `out`, without gaps in memory.

        Raises
        ------
        ValueError
            If there is no `out`, the part is over or was stored before, or `result` has another shape, gaps, or is on
            another device. Nothing is written then.
        TypeError
            If `result` is not on a device, or has another dtype.

        Examples
        --------
        Where there is a GPU (``"cuda"`` among the `backends`):

        >>> import numpy as np, fastbn
        >>> x = np.array([[1.0], [3.0]])
        >>> y = np.empty_like(x)
        >>> for part in fastbn.stream_from_host(x, out=y):
        ...     part.store(fastbn.zscore(part.array))
        >>> y
        array([[-1.],
               [ 1.]])
        """
        if self._refusal:
            raise ValueError(self._refusal)
        self._put(result)
        self._refusal = "part: got one that was stored before; wants each part once"

    def _end(self) -> None:
        """Let go of the pipeline."""
        self._put, self._refusal = _refused, "part: got one that is over; wants the one that the loop is at"


def _refused(_: Any) -> None:
    raise AssertionError("a part that is over was about to be stored")


class _Inward(NamedTuple):
    """Where a part waits and lies."""

    pinned: np.ndarray
    memory: Any
    arrived: Any  # event: the part is on the device
    used: Any  # event: what was done with it is


class _Outward:
    """Where a result lies and waits."""

    def __init__(self, device: Device, size: int) -> None:
        self.pinned = device.pinned(size)
        self.memory = device.memory(size)
        self.kept = device.event()  # the result was copied on the device
        self.came = device.event()  # and to the host
        self._came_for: tuple[np.ndarray, np.ndarray] | None = None  # where it is to go, and how it is laid out here

    def fill(self, result: OnDevice, target: np.ndarray, device: Device) -> None:
        """Begin the download of a result."""
        self.empty()
        self.kept.record(device.keep(result, self.memory))
        self.kept.wait(device.compute)  # so that a part which is its own result is not overwritten before
        self.kept.wait(device.download)
        device.fetch(self.memory, self.pinned, result.nbytes)
        self.came.record(device.download)
        self._came_for = target, _seen(self.pinned, result)

    def empty(self) -> None:
        """Wait for what is there, and put it where it belongs."""
        if self._came_for is not None:
            self.came.synchronize()
            target, came = self._came_for
            target[...] = came
            self._came_for = None


def _seen(memory: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The first bytes as an array in the machine's order of bytes, laid out as another one is."""
    dtype = like.dtype.newbyteorder("=")
    return np.ndarray(like.shape, dtype, memory, strides=dense_like(like, dtype))


class Pipeline:
    """The parts of an array, of so many ``rows`` along an axis."""

    def __init__(self, device: Device, x: np.ndarray, out: np.ndarray | None, axis: int, rows: int) -> None:
        self._device, self._x, self._out, self._axis, self._rows = device, x, out, axis, rows
        self._count = -(-x.shape[axis] // rows) if x.size else 0
        self._inward: list[_Inward] = []
        self._outward: list[_Outward] = []
        if self._count:
            values = x.size // x.shape[axis] * min(rows, x.shape[axis])
            size = values * x.itemsize
            with device.active():
                for _ in range(min(2, self._count)):
                    self._inward.append(
                        _Inward(device.pinned(size), device.memory(size), device.event(), device.event())
                    )
                    if out is not None:
                        self._outward.append(_Outward(device, values * out.itemsize))

    def parts(self) -> Generator[Part, None, None]:
        """Hand out one after the other."""
        if self._count == 0:
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1, "fastbn-stream") as stager:

            def staging(k: int) -> "Future[None] | None":
                return stager.submit(self._stage, k) if k < self._count else None

            try:
                self._send(0, staging(0))
                staged = staging(1)
                for k in range(self._count):
                    self._send(k + 1, staged)
                    self._arrive(k)
                    staged = staging(k + 2)
                    part = self._part(k)
                    try:
                        yield part
                    finally:
                        part._end()
                    self._leave(k)
            finally:
                self._finish()

    def _index(self, k: int) -> Index:
        stop = min((k + 1) * self._rows, self._x.shape[self._axis])
        index = [slice(None)] * self._x.ndim
        index[self._axis] = slice(k * self._rows, stop)
        return tuple(index)

    def _stage(self, k: int) -> None:
        """Copy a part into page-locked memory: in a thread, which has no part in what the device is told."""
        piece = self._x[self._index(k)]
        _seen(self._inward[k % 2].pinned, piece)[...] = piece

    def _send(self, k: int, staged: "Future[None] | None") -> None:
        """Begin the upload of a part, if there is one; its buffer may be in use still."""
        if staged is None:
            return
        staged.result()
        inward, device = self._inward[k % 2], self._device
        with device.active():
            inward.used.wait(device.upload)
            device.send(inward.pinned, inward.memory, self._x[self._index(k)].nbytes)
            inward.arrived.record(device.upload)

    def _arrive(self, k: int) -> None:
        with self._device.active():
            self._inward[k % 2].arrived.synchronize()

    def _leave(self, k: int) -> None:
        """The next part is asked for: what was put on the stream of compute until now is what a part is used for."""
        with self._device.active():
            self._inward[k % 2].used.record(self._device.compute)

    def _part(self, k: int) -> Part:
        index = self._index(k)
        piece, dtype = self._x[index], self._x.dtype.newbyteorder("=")
        with self._device.active():
            array = self._device.array(self._inward[k % 2].memory, piece.shape, dense_like(piece, dtype), dtype)
        refusal = "out: got None; wants an array on the host for results" if self._out is None else ""
        return Part(array, index, lambda result: self._put(k, result), refusal)

    def _put(self, k: int, result: Any) -> None:
        assert self._out is not None
        target = self._out[self._index(k)]
        seen = _checked(result, target, self._device.device)
        with self._device.active():
            self._outward[k % 2].fill(seen, target, self._device)

    def _finish(self) -> None:
        """Wait for everything."""
        with self._device.active():
            for stream in (self._device.upload, self._device.compute, self._device.download):
                stream.synchronize()
            for outward in self._outward:
                outward.empty()


def _checked(result: Any, target: np.ndarray, device: int) -> OnDevice:
    """A result that fits where it is to go."""
    seen = plain_array(result, "result")
    if not isinstance(seen, OnDevice):
        raise TypeError(f"result: got {type(result).__name__} on the host; wants an array on the device of the part")
    if seen.place.device != device:
        raise ValueError(f"result: got an array on device {seen.place.device}; wants device {device}")
    if seen.shape != target.shape:
        raise ValueError(f"result: got shape {seen.shape}; wants {target.shape}, that of the part")
    if seen.dtype != target.dtype.newbyteorder("="):
        raise TypeError(f"result: got dtype {seen.dtype}; wants {target.dtype.newbyteorder('=')}, that of out")
    steps = zip(seen.shape, seen.strides, dense_like(seen, seen.dtype), strict=True)
    if any(n > 1 and stride != step for n, stride, step in steps):
        raise ValueError(f"result: got strides {seen.strides}; wants an array without gaps in memory")
    return seen

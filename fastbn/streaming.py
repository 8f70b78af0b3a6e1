"""Arrays on the host that are larger than the memory of a device."""

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt

from ._arrays import check_output, number_dtype, plain_array
from ._backends import transfers
from ._devices import on_device
from ._pipeline import Part, Pipeline
from ._printable import shown
from ._scalars import check_count, check_int

__all__ = ["Part", "stream_from_host"]

# Copying so much takes some milliseconds, beside which the some tenths of one that a part costs in calls count little;
# two buffers for data and two for results, on the device and on the host, are still small.
_PART_BYTES = 1 << 26
_SHARE = 16  # of the free memory: room for the four buffers, results, and what a call needs


def stream_from_host(
    x: npt.NDArray[Any],
    *,
    axis: int = 0,
    part_bytes: int | None = None,
    out: npt.NDArray[Any] | None = None,
    device: int | None = None,
) -> Generator[Part, None, None]:
    """Take an array of the host to an NVIDIA GPU part by part, each while the one before it is worked on.

    Copies go through page-locked memory on streams of their own, beside the kernels that work on a part; so do results
    on their way back. Neither `x` nor `out` has to fit into the memory of the device.

    Parameters
    ----------
    x : numpy.ndarray
        On the host, with any strides, in any order of bytes, also a ``numpy.memmap``: float16, float32, float64, bool
        or integers. Parts are read up to two parts ahead, in another thread.
    axis : int, default 0
        The axis along which `x` is cut. The axis that comes first in memory is read fastest.
    part_bytes : int, optional
        Bytes of `x` in a part at most; but a part has at least one index along `axis`, however much that is. Default:
        64 MiB, or a sixteenth of the free memory of the device if that is less.
    out : numpy.ndarray, optional
        On the host, of the shape of `x` and any of the dtypes above, for the results given to `Part.store`: `x` itself
        or without overlap. Where no part is stored it is left alone.
    device : int, optional
        Number of a device. Default: the current one.

    Returns
    -------
    generator of Part
        With ``array``, the part on the device, ``index``, where it lies in `x`, and ``store(result)``, which copies a
        result to ``out[index]``. An `x` without elements has no parts. When the loop ends, however it does, everything
        is waited for: then `out` is complete, and the buffers are freed.

    Raises
    ------
    BackendUnavailable
        If there is no device, driver or compiler, saying which, and what to install.
    ValueError
        If `x` has no axes, or `axis`, `part_bytes`, `out` or `device` does not fit.
    TypeError
        If `x` is no array on the host (one on a device needs no streaming), or a dtype is not supported.
    MemoryError
        If there is no room for the parts: two of `x` and two of `out`, on the device and in page-locked memory.

    See Also
    --------
    fastbn.streaming.Part : What it yields.
    ChannelStats.update : Add the statistics of a part.

    Notes
    -----
    ``part.array`` holds its part until the next one is asked for. Work on it has to be put on its stream by then, as
    every function of this package does, or on the default stream, which is correct, but keeps copies from running
    beside it. PyTorch uses the stream of the part within
    ``torch.cuda.stream(torch.cuda.ExternalStream(part.array.__cuda_array_interface__["stream"]))``.

    Arrays of equal shape (data and their mask, `x` and `dy`) can go side by side, with `zip`: give a `part_bytes` to
    each in proportion to the size of its elements, so that they are cut in the same places.

    Looking at statistics waits for the device (`ChannelStats.update` does). Staging and upload of the next parts go on
    meanwhile.

    Examples
    --------
    Where there is a GPU (``"cuda"`` among the `backends`): statistics of all of an array, which need not fit into
    memory, then the array normalized with them:

    >>> import numpy as np, fastbn
    >>> x = np.arange(12.0).reshape(6, 2)
    >>> stats = fastbn.ChannelStats.empty(2, x.dtype)
    >>> for part in fastbn.stream_from_host(x):
    ...     stats = stats.update(part.array)
    >>> y = np.empty_like(x)
    >>> for part in fastbn.stream_from_host(x, out=y):
    ...     part.store(fastbn.normalize(part.array, stats, out=part.array))
    >>> bool((y == fastbn.zscore(x)).all())
    True
    """
    array = _of_host(x)
    cut = _checked_axis(axis, array.shape)
    most = None if part_bytes is None else check_count("part_bytes", part_bytes)
    target = None if out is None else check_output(x, array, out)
    if target is not None:
        number_dtype(target.dtype, "out")
    there = transfers(None if device is None else check_int("device", device, "an int"))
    if most is None:
        with there.active():
            most = int(min(_PART_BYTES, there.free() // _SHARE + 1))
    row = max(1, array.nbytes // max(1, array.shape[cut]))
    return Pipeline(there, array, target, cut, max(1, most // row)).parts()


def _of_host(x: Any) -> np.ndarray:
    if on_device(x, "x") is not None:
        raise TypeError(f"x: got {type(x).__name__} on a device, which needs no streaming; wants an array on the host")
    if not isinstance(x, np.ndarray):
        raise TypeError(f"x: got {type(x).__name__}; wants a NumPy array")  # others would be read whole
    array = plain_array(x, "x")
    number_dtype(array.dtype, "x")
    if array.ndim == 0:
        raise ValueError("x: got an array without axes; wants one that can be cut along an axis")
    return array


def _checked_axis(axis: Any, shape: tuple[int, ...]) -> int:
    rank, index = len(shape), check_int("axis", axis, "an int")
    if not -rank <= index < rank:
        raise ValueError(f"axis: got {shown(axis)} for an array of shape {shape}; wants one in [{-rank}, {rank})")
    return index % rank

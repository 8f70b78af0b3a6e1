"""The door for data: arrays, and what is said about which of their values count, checked."""

import math
from typing import Any

import numpy as np

from ._arrays import Operand, as_operand, beside, on_host, plain_array, same_device
from ._backends import current
from ._devices import OnDevice
from ._layout import Axes, ChannelAxis, split_axes
from ._printable import shown
from ._scalars import check_nan_policy
from ._selection import Nodata, Selection

_MOST_OF_INTEGERS = 2**53  # of weights: larger ones are not all float64 numbers


def open_data(
    x: Any,
    channel_axis: ChannelAxis,
    nan_policy: str = "propagate",
    where: Any = None,
    nodata: Any = None,
    weights: Any = None,
    name: str = "x",
) -> tuple[Operand, Axes]:
    """Check data and what is said about them; the mask of a masked array counts as said."""
    check_nan_policy(nan_policy)
    mask = None
    if isinstance(x, np.ma.MaskedArray):
        mask = np.asarray(x.mask) if x.mask.any() else None
        x = x.data
    operand = as_operand(x, name)
    axes = split_axes(operand.stored.shape, channel_axis)
    omit = nan_policy == "omit" and operand.original.kind == "f"
    if not omit and where is mask is nodata is weights is None:
        return operand, axes
    selection = Selection(
        omit,
        _as_where(where, operand),
        mask,
        None if nodata is None else _as_nodata(nodata, operand, axes),
        *((None,) if weights is None else _as_weights(weights, operand)),
    )
    return (operand._replace(selection=selection) if omit or selection.marked else operand), axes


def refuse_weights(weights: Any, method: str) -> None:
    """Exact sums of products with weights are not kept."""
    if weights is not None and method == "exact":
        raise ValueError("weights: got some with method='exact'; wants method='compensated'")


def as_masked(x: Any, y: np.ndarray, out: Any) -> np.ndarray:
    """The result for ``x``: ``out`` if there is one, else masked as ``x`` is, if it is."""
    if out is not None:
        return out  # type: ignore[no-any-return]
    if not isinstance(x, np.ma.MaskedArray):
        return y
    return np.ma.MaskedArray(y, mask=np.array(x.mask), copy=False, hard_mask=x.hardmask)


def broadcast(name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An argument in the shape of the data, without a copy."""
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(f"{name}: got shape {array.shape}; wants one that broadcasts to {shape}") from None


def _as_where(where: Any, x: Operand) -> np.ndarray | None:
    if where is None:
        return None
    array = beside("where", where, x.stored)
    if array.dtype != np.bool_:
        raise TypeError(f"where: got dtype {array.dtype}; wants bool")
    full = broadcast("where", array, x.stored.shape)
    if isinstance(array, OnDevice):
        return full
    return None if array.all() else full  # most masks of most data hide nothing


def _as_weights(weights: Any, x: Operand) -> tuple[np.ndarray, float]:
    array = beside("weights", weights, x.stored)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(f"weights: got dtype {array.dtype}; wants real numbers")
    most = math.inf if array.dtype.kind == "f" else _MOST_OF_INTEGERS + 1
    ends = _ends_of(array) if array.size else (0, 0)
    for bad in ends:
        if not 0 <= bad < most:
            raise ValueError(f"weights: got {bad}; wants finite numbers >= 0 (integers up to 2^53)")
    largest = float(ends[1])
    exponent = min(1000, -math.frexp(largest)[1]) if 0.0 < largest < math.inf else 0
    return broadcast("weights", array, x.stored.shape), math.ldexp(1.0, exponent)


def _ends_of(array: np.ndarray) -> tuple[Any, Any]:
    """Minimum and maximum, NaN if there is one; those of a device are waited for."""
    if not isinstance(array, OnDevice):
        return array.min(), array.max()
    moments = current(array).reduce_moments(as_operand(array), split_axes(array.shape, None)).fetched()
    return moments.least[0], moments.greatest[0]


def _as_nodata(nodata: Any, operand: Operand, axes: Axes) -> Nodata:
    """In the dtype of the data: the float32 nearest to 0.1 is what "0.1" means in float32 data."""
    dtype = operand.original
    array = plain_array(nodata, "nodata")
    if isinstance(array, OnDevice):
        nodata = array = on_host(same_device("nodata", nodata, operand.stored))
    if not isinstance(nodata, np.ndarray | np.generic):  # lists with large integers would have become floats
        array = np.array(nodata, dtype=object)
    if array.shape not in ((), axes.shape):
        raise ValueError(f"nodata: got shape {array.shape}; wants a number, or one per channel: {axes.shape}")
    given = [_as_number(v) for v in array.reshape(-1).tolist()]
    some = np.array([v == v or dtype.kind == "f" for v in given], np.bool_).reshape(array.shape)
    with np.errstate(over="ignore", invalid="ignore"):  # signalling NaN too
        values = [_in_dtype(v, operand.stored.dtype, dtype) for v in given]
    value = np.array(values, operand.stored.dtype.newbyteorder("=")).reshape(array.shape)
    return Nodata(*(np.broadcast_to(part, axes.shape) for part in (value, some)))


def _as_number(value: Any) -> Any:
    if not isinstance(value, int | float | np.integer | np.floating | np.bool_):
        raise TypeError(f"nodata: got {shown(value)} of type {type(value).__name__}; wants numbers")
    return value


def _in_dtype(value: Any, stored: np.dtype, dtype: np.dtype) -> Any:
    """A number as the data hold it; 0 for NaN in integer data, which says that there is none."""
    if dtype.kind == "f":
        try:
            held = stored.type(value)
            fits = bool(np.isfinite(held)) or not math.isfinite(value)
        except OverflowError:  # an integer beyond float64
            held, fits = 0, False
    elif value != value:
        return 0
    else:
        low, high = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
        fits = low <= value <= high and value == math.floor(value)
        held = int(value) if fits else 0
    if not fits:
        raise ValueError(f"nodata: got {shown(value)}; wants a number that {dtype} data can hold")
    return held

"""States of statistics as NumPy vectors: made from moments, and merged whatever the order."""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from ._algebra import merge, merge_weighted, multiply
from ._arrays import number_dtype, same_device
from ._printable import shown
from ._scalars import check_ddof

Floats = npt.NDArray[np.float64]
Part = tuple[Floats, np.ndarray, np.ndarray]  # state (5, *shape), least, greatest
_ROWS = 5  # of a state: count or weight, mean, its tail, m2, its tail

Ends = tuple[np.ndarray, np.ndarray, np.ndarray]  # values counted, least, greatest


class Tally(NamedTuple):
    """What a state does not say, where values are missing or have weights: its first row is the weight."""

    counted: npt.NDArray[np.int64]
    missing: npt.NDArray[np.int64]
    tail: Floats  # second word of the weight

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> "Tally":
        """The same of other arrays."""
        return Tally(function(self.counted), function(self.missing), function(self.tail))

    @classmethod
    def of(cls, weight: Floats) -> Self:
        """What goes without saying: the weight is the count, and nothing is missing."""
        return cls(weight.astype(np.int64), np.zeros(weight.shape, np.int64), np.zeros(weight.shape))

    def says_nothing(self, weight: Floats) -> bool:
        """Whether it is what goes without saying."""
        return not (self.missing.any() or self.tail.any()) and bool((self.counted == weight).all())

    @classmethod
    def sum(cls, parts: list[Self]) -> Self:
        """Of the union; the tails come from `union`."""
        count, missing = (np.sum([part[i] for part in parts], axis=0) for i in range(2))
        return cls(count, missing, np.zeros(count.shape))


def no_extremes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Minimum and maximum of nothing: the identities of ``minimum`` and ``maximum``."""
    if dtype.kind == "f":
        ends: tuple[Any, Any] = (np.inf, -np.inf)
    elif dtype.kind == "b":
        ends = (True, False)
    else:
        ends = (np.iinfo(dtype).max, np.iinfo(dtype).min)
    return np.full(shape, ends[0], dtype), np.full(shape, ends[1], dtype)


def from_moments(count: Any, mean: Any, var: Any, ddof: int, least: Any, greatest: Any) -> Part:
    """A state from count, mean and variance."""
    given = [_real(name, value) for name, value in (("count", count), ("mean", mean), ("var", var))]
    try:
        with np.errstate(invalid="ignore"):  # a NaN may be a signalling one, and a product is a quiet one
            n, m, v = (np.multiply(a, 1.0, dtype=np.float64) for a in np.broadcast_arrays(*given))
    except (ValueError, RuntimeError):  # of arrays with more than 32 axes
        shapes = ", ".join(str(a.shape) for a in given)
        raise ValueError(f"count, mean, var: got shapes {shapes}; wants shapes that broadcast") from None
    if not ((n >= 0) & (n <= 2.0**53) & (n == np.floor(n))).all():
        raise ValueError(f"count: got {shown(count)}; wants whole numbers from 0 to 2^53")
    if (v < 0).any():
        raise ValueError(f"var: got {shown(var)}; wants numbers >= 0")
    free = np.maximum(n - check_ddof(ddof), 0.0)
    with np.errstate(all="ignore"):
        m2, tail = multiply(np.where(free > 0, v, 0.0), 0.0, free)
    m = np.where(n > 0, m, 0.0)
    finite = np.isfinite(m2)
    state = np.stack([n, m, np.zeros_like(m), m2, np.where(finite, tail, 0.0)])
    ends = []
    for name, end in (("min", least), ("max", greatest)):
        array = np.full(n.shape, np.nan) if end is None else _real(name, end)
        try:
            ends.append(np.broadcast_to(array, n.shape))
        except ValueError:
            raise ValueError(f"{name}: got shape {array.shape}; wants {n.shape}, that of count, mean and var") from None
    if ((ends[0] > ends[1]) & (n > 0)).any():
        raise ValueError(f"min: got {shown(least)}; wants numbers that are at most max, {shown(greatest)}")
    dtype = _common_dtype(ends, [n > 0, n > 0])
    return state, ends[0].astype(dtype), ends[1].astype(dtype)


def _real(name: str, value: Any) -> np.ndarray:
    array = same_device(name, value, None)
    number_dtype(array.dtype, name)
    return array


def _common_dtype(ends: list[np.ndarray], counted: list[npt.NDArray[np.bool_]]) -> np.dtype[Any]:
    """The dtype of minima and maxima together, given which of them are those of some values."""
    dtypes = {end.dtype for end in ends}
    dtype = np.result_type(*dtypes)
    if dtype.kind != "f" or any(given.kind == "f" for given in dtypes):
        return dtype
    # NumPy takes int64 with uint64 to float64, where an extreme beyond 2^53 is rounded to what no data contain.
    values = [end[some] for end, some in zip(ends, counted, strict=True) if some.any()]
    low = min((int(end.min()) for end in values), default=0)
    high = max((int(end.max()) for end in values), default=0)
    for exact in (np.int64, np.uint64):
        if np.iinfo(exact).min <= low and high <= np.iinfo(exact).max:
            return np.dtype(exact)
    raise ValueError(
        f"min, max: got integers from {low} to {high}; wants a range of int64 or uint64: "
        "convert the data, for example with x.astype(float)"
    )


def union_of_extremes(parts: list[Ends]) -> tuple[np.ndarray, np.ndarray]:
    """Minimum and maximum of parts of the same shape, given what each of them counted."""
    filled = [part for part in parts if (part[0] > 0).any()] or parts
    dtype = _common_dtype([part[end] for end in (1, 2) for part in filled], [part[0] > 0 for part in filled] * 2)
    nothing = no_extremes(filled[0][1].shape, dtype)
    with np.errstate(invalid="ignore"):  # one of them may be a signalling NaN of the data
        least, greatest = (
            np.stack([np.where(part[0] > 0, part[end].astype(dtype), nothing[end - 1]) for part in filled])
            for end in (1, 2)
        )
        return np.minimum.reduce(least), np.maximum.reduce(greatest)


def concatenated_extremes(parts: list[Ends]) -> tuple[np.ndarray, np.ndarray]:
    """Minimum and maximum of the channels of all parts side by side, given what each of them counted."""
    dtype = _common_dtype([part[end] for end in (1, 2) for part in parts], [part[0] > 0 for part in parts] * 2)
    nothing = [end[()] for end in no_extremes((), dtype)]
    with np.errstate(invalid="ignore"):  # as above
        filled = [
            [
                np.where(part[0] > 0, np.where(part[0] > 0, part[end], 0).astype(dtype), nothing[end - 1])
                for part in parts
            ]
            for end in (1, 2)
        ]
    least, greatest = (np.concatenate(ends) for ends in filled)
    return least, greatest


def union(parts: list[Floats]) -> Floats:
    """Merge states of the same shape in a balanced tree; a sixth row, if there is one, is the weights' second word."""
    states = np.stack(parts, axis=1)
    with np.errstate(all="ignore"):
        while (count := states.shape[1]) > 1:
            even = count - count % 2
            merged = _merge_ordered(states[:, 0:even:2], states[:, 1:even:2])
            states = np.concatenate([merged, states[:, even:]], axis=1)
    return np.ascontiguousarray(states[:, 0])


def _merge_ordered(a: Floats, b: Floats) -> Floats:
    """Merge with the larger (count, mean, tail, m2, tail) first, so that the order of the two cannot change a bit."""
    swap = np.zeros(a.shape[1:], np.bool_)
    for row in reversed(range(len(a))):
        swap = np.where(a[row] == b[row], swap, a[row] < b[row])
    first, second = np.where(swap, b, a), np.where(swap, a, b)
    if len(a) == _ROWS:
        return np.stack(merge(*first, *second))
    order = [0, _ROWS, *range(1, _ROWS)]  # both words of the weight come first
    return np.stack(merge_weighted(*first[order], *second[order]))[np.argsort(order)]

"""The same channels arranged in memory in every way an array can be: no statistic may depend on the layout."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Arranged:
    """A read-only array, its channel axis, and how often it shows every value."""

    x: np.ndarray
    axis: int | tuple[int, ...]
    times: int = 1


LAYOUTS: dict[str, Callable[[np.ndarray], Arranged]] = {}


def layout(arrange):
    """Enter an arrangement of channels (C, n) in the table; its array becomes read-only."""

    def read_only(channels: np.ndarray) -> Arranged:
        arranged = arrange(channels)
        arranged.x.flags.writeable = False
        return arranged

    LAYOUTS[arrange.__name__] = read_only
    return read_only


def factors(n: int) -> tuple[int, int]:
    """Two factors of ``n``, as near to each other as can be, the smaller one first."""
    return next((d, n // d) for d in range(max(math.isqrt(n), 1), 0, -1) if n % d == 0)


def nchw_array(channels: np.ndarray, outer: int | None = None) -> np.ndarray:
    """Channels (C, n) as a new contiguous array (outer, C, n / outer)."""
    c, n = channels.shape
    outer = outer or factors(n)[0]
    return np.ascontiguousarray(channels.reshape(c, outer, n // outer).swapaxes(0, 1))


@layout
def table(channels):
    return Arranged(np.ascontiguousarray(channels.T), 1)


@layout
def table_of_columns(channels):
    return Arranged(channels.copy().T, 1)


@layout
def channels_first(channels):
    return Arranged(channels.copy(), 0)


@layout
def nchw(channels):
    return Arranged(nchw_array(channels), 1)


@layout
def nchw_short_rows(channels):
    """Rows of at most 14 values."""
    n = channels.shape[1]
    inner = max(d for d in range(1, 15) if n % d == 0)
    return Arranged(nchw_array(channels, n // inner), -2)


@layout
def nchw_four_axes(channels):
    x = nchw_array(channels)
    return Arranged(x.reshape(*x.shape[:2], *factors(x.shape[2])), 1)


@layout
def channels_last(channels):
    c, n = channels.shape
    return Arranged(np.ascontiguousarray(channels.T).reshape(*factors(n), c), -1)


@layout
def fortran(channels):
    return Arranged(np.asfortranarray(nchw_array(channels)), 1)


@layout
def transposed(channels):
    return Arranged(nchw_array(channels).transpose(2, 0, 1), 2)


@layout
def sliced(channels):
    """Every second element along every axis; between them stand values that nobody may read."""
    x = nchw_array(channels)
    wide = np.full(tuple(2 * size for size in x.shape), poison(x.dtype), x.dtype)
    wide[1::2, ::2, 1::2] = x
    return Arranged(wide[1::2, ::2, 1::2], 1)


@layout
def cut_rows(channels):
    """Rows that are parts of longer rows, channels that are a part of more channels."""
    x = nchw_array(channels)
    wide = np.full((x.shape[0] + 2, x.shape[1] + 3, x.shape[2] + 5), poison(x.dtype), x.dtype)
    wide[1:-1, 2:-1, 3:-2] = x
    return Arranged(wide[1:-1, 2:-1, 3:-2], 1)


@layout
def cut_columns(channels):
    """A part of the columns of a table."""
    c, n = channels.shape
    wide = np.full((n, c + 3), poison(channels.dtype), channels.dtype)
    wide[:, 2:-1] = channels.T
    return Arranged(wide[:, 2:-1], 1)


@layout
def reversed_axes(channels):
    return Arranged(nchw_array(channels[::-1, ::-1])[::-1, ::-1, ::-1], 1)


@layout
def reversed_table(channels):
    return Arranged(np.ascontiguousarray(channels[::-1, ::-1].T)[::-1, ::-1], 1)


@layout
def broadcast(channels):
    """Every value three times, along an axis of stride 0."""
    x = nchw_array(channels)
    return Arranged(np.broadcast_to(x[:, None], (x.shape[0], 3, *x.shape[1:])), 2, times=3)


@layout
def kept_apart(channels):
    """Two kept axes with a reduced axis between them."""
    c, n = channels.shape
    c1, c2 = factors(c)
    outer, inner = factors(n)
    return Arranged(np.ascontiguousarray(channels.reshape(c1, c2, outer, inner).transpose(0, 2, 1, 3)), (0, -2))


@layout
def kept_together(channels):
    """Two kept axes side by side, given in the other order."""
    c1, c2 = factors(len(channels))
    x = nchw_array(channels)
    return Arranged(x.reshape(x.shape[0], c1, c2, x.shape[2]), (2, 1))


@layout
def kept_columns_cut(channels):
    """Two kept axes at the end that cannot be seen as one: every second of the first."""
    c1, c2 = factors(len(channels))
    n = channels.shape[1]
    wide = np.full((n, 2 * c1, c2), poison(channels.dtype), channels.dtype)
    wide[:, ::2] = channels.T.reshape(n, c1, c2)
    return Arranged(wide[:, ::2], (1, 2))


@layout
def big_endian(channels):
    x = nchw_array(channels)
    return Arranged(x.astype(x.dtype.newbyteorder(">")), 1)


@layout
def misaligned(channels):
    """Elements that start at odd addresses."""
    x = nchw_array(channels)
    raw = np.zeros(x.nbytes + 1, np.uint8)
    raw[1:] = x.reshape(-1).view(np.uint8)
    return Arranged(raw[1:].view(x.dtype).reshape(x.shape), 1)


def poison(dtype: np.dtype) -> float | int:
    """A value that shows in the result if it is read: NaN, or the end of the range."""
    return np.nan if dtype.kind == "f" else True if dtype.kind == "b" else int(np.iinfo(dtype).max)

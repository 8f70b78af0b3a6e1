"""Order statistics and what lies between them.

The definition is that of NumPy's default method "linear" (Hyndman, Fan, "Sample quantiles in statistical packages",
Am. Stat. 50 (1996), type 7), operation by operation, so that quantiles of finite data have NumPy's bits.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from . import _threads
from ._arrays import Operand
from ._layout import Axes, Block, cut_kept

_PIECE = 1 << 18  # values of short channels that are copied and ordered together ...
_LARGE = 1 << 20  # ... and of a channel so long that only one is held at a time, whatever the threads
_SORTED = {np.dtype(np.float16): np.dtype(np.float32)}  # what is ordered in its place: sorted in half the time
_MANY, _DENSE = 64, 8  # places, and values per place, between which partitioning beats sorting


class Places(NamedTuple):
    """Where quantiles lie in ordered data: between which ranks, and how far from the first to the second."""

    previous: np.ndarray  # (quantiles, *channels), as the others
    following: np.ndarray
    fraction: np.ndarray


class Ordered(NamedTuple):
    """What order statistics say of some data."""

    counted: np.ndarray
    previous: np.ndarray  # (quantiles, *channels), float64
    following: np.ndarray
    unknown: np.ndarray  # bool: a NaN counts


def places(q: np.ndarray, count: np.ndarray) -> Places:
    """Of quantiles in channels of so many values."""
    last = np.maximum(count, 1) - 1
    virtual = last * q.reshape(-1, *[1] * count.ndim)
    previous = np.minimum(np.floor(virtual).astype(np.int64), last)
    return Places(previous, np.minimum(previous + 1, last), virtual - previous)


def interpolate(a: np.ndarray, b: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """``a + (b - a) fraction``, from the nearer end; a zero is always the positive one.

    Where NumPy's difference overflows, halves of the ends are taken.
    """
    with np.errstate(all="ignore"):
        half = np.where(np.isinf(b - a) & np.isfinite(a) & np.isfinite(b), 0.5, 1.0)
        a, b = a * half, b * half
        width = b - a
        between = np.where(fraction < 0.5, a + width * fraction, b - width * (1.0 - fraction)) / half
        exact = (fraction == 0.0) | (a == b)  # so it is for infinities, too
        return np.asarray(np.where(exact, a / half, between) + 0.0)


def quantiles_of(ordered: Ordered, q: np.ndarray) -> np.ndarray:
    """Quantiles (quantiles, *channels) from the order statistics around them; NaN where there are none."""
    fraction = places(q, ordered.counted).fraction
    known = (ordered.counted > 0) & ~ordered.unknown
    return np.where(known, interpolate(ordered.previous, ordered.following, fraction), np.nan)


def order(x: Operand, axes: Axes, q: np.ndarray) -> Ordered:
    """Select order statistics of checked data in memory: copies of some channels at a time."""
    around = np.zeros((2, q.size, *axes.shape))
    ordered = Ordered(np.zeros(axes.shape, np.int64), around[0], around[1], np.zeros(axes.shape, np.bool_))
    if x.stored.size == 0:
        return ordered
    pieces = list(cut_kept(x.stored.shape, axes, _PIECE))

    def some(begin: int, end: int) -> None:
        for index in pieces[begin:end]:
            _order_piece(x, axes, index, q, ordered)

    _threads.run(len(pieces), x.stored.nbytes if axes.values <= _LARGE else 0, some)
    return ordered


def _order_piece(x: Operand, axes: Axes, index: tuple[slice, ...], q: np.ndarray, ordered: Ordered) -> None:
    """Enter the order statistics of some channels.

    What does not count becomes the greatest number there is: it comes last, or among its equals.
    """
    kept = tuple(index[axis] for axis in axes.kept)
    here: Any = (..., *kept)  # a view, of a vector without axes too
    piece = x.stored.transpose(axes.kept + axes.reduced)[kept]
    count = ordered.counted[here]
    with np.errstate(invalid="ignore"):  # a NaN may be a signalling one
        values = np.array(piece, dtype=_SORTED.get(x.storage, x.storage), order="C").reshape(count.size, axes.values)
    count[...] = axes.values
    if x.selection is not None:
        where = kept + tuple(index[axis] for axis in axes.reduced)
        absent = x.selection.absent(x.stored, axes, Block(where, kept, count.size, values.size, first=True))
        absent = absent.reshape(values.shape)
        np.copyto(values, math.inf if values.dtype.kind == "f" else np.iinfo(values.dtype).max, where=absent)
        count -= absent.sum(axis=1).reshape(count.shape)
    ranks = places(q, count.reshape(-1))
    wanted = np.unique(np.concatenate([ranks.previous, ranks.following], axis=None))
    if (count == count.flat[0]).all() and wanted.size <= min(_MANY, axes.values // _DENSE):
        values.partition(np.union1d(wanted, axes.values - 1), axis=1)  # the last one, where a NaN would be
    else:
        values.sort(axis=1)
    rows = np.arange(count.size)
    with np.errstate(invalid="ignore"):
        for target, rank in ((ordered.previous, ranks.previous), (ordered.following, ranks.following)):
            target[here] = values[rows, rank].reshape(q.size, *count.shape)
    if values.dtype.kind == "f":
        ordered.unknown[here] = np.isnan(values[:, -1]).reshape(count.shape)

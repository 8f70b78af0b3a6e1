"""Quantiles by radix selection: exact, in one pass over the data for every 16 bits of a value, part by part.

Each value becomes an unsigned key, in the same order, which is seen as digits of 16 bits. A pass counts the digits that
follow the higher digits of wanted order statistics, which are known by then, and so finds one digit more of each of
them. (Knuth, The Art of Computer Programming 3, 5.2.5, sorts by such digits; a selection follows the wanted ones only.)

    found = merged([tallied(part, ..., None, shift=first) for part in parts])
    sought = begun(found, ...)
    for shift in others:
        sought = sought.narrowed(merged([tallied(part, ..., sought, shift=shift) for part in parts]))
    quantiles = finished(sought, ...)
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ._arrays import Operand, refuse_device
from ._channel_quantiles import ChannelQuantiles
from ._environment import in_default_environment
from ._layout import Axes, Block
from ._opening import open_data
from ._order import Ordered, places, quantiles_of
from ._quantile_records import Contents
from .quantiles import channel_quantiles

_BITS = 16  # of a digit: the widest numbers that are counted
_UNKNOWN = 0xFFFF  # first digit of a NaN, and of no number

Tallies = tuple[ChannelQuantiles, ...]  # of the digits after each of several prefixes, which channels may have


def shifts(dtype: np.dtype) -> range:
    """Where the digits of each pass start, the highest first."""
    return range(8 * dtype.itemsize - _BITS, -1, -_BITS)


class Sought(NamedTuple):
    """Wanted order statistics, as far as they are known."""

    counted: np.ndarray
    missing: np.ndarray
    unknown: np.ndarray  # bool: a NaN counts
    prefix: np.ndarray  # their higher digits: uint64, (ranks, *channels)
    rank: np.ndarray  # among the values with this prefix

    def columns(self) -> np.ndarray:
        """The number of each prefix among the different ones of its channel."""
        order = np.argsort(self.prefix, axis=0)
        ordered = np.take_along_axis(self.prefix, order, axis=0)
        new = np.zeros(order.shape, np.int64)
        new[1:] = ordered[1:] != ordered[:-1]
        columns = np.empty_like(new)
        np.put_along_axis(columns, order, np.cumsum(new, axis=0), axis=0)
        return columns

    def wanted(self, dtype: np.dtype) -> np.ndarray:
        """The different prefixes of every channel, filled up with what is none."""
        columns = self.columns()
        wanted = np.full((columns.max(initial=0) + 1, *self.counted.shape), np.iinfo(dtype).max, dtype)
        np.put_along_axis(wanted, columns, self.prefix.astype(dtype), axis=0)
        return wanted

    def narrowed(self, found: Tallies) -> "Sought":
        """With one digit more."""
        columns, prefix, rank = self.columns(), self.prefix << _BITS, self.rank.copy()
        for column, tally in enumerate(found):
            histogram = tally._contents.histogram
            assert histogram is not None
            digit, within = histogram.located(self.rank.reshape(len(rank), -1))
            here = columns == column
            prefix[here] |= digit.astype(np.uint64).reshape(rank.shape)[here]
            rank[here] = within.reshape(rank.shape)[here]
        return self._replace(prefix=prefix, rank=rank)


def keys_of(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Unsigned integers in the order of numbers of a dtype; equal numbers have equal ones, and a NaN the greatest."""
    values = x.astype(dtype, casting="safe")  # a chunk may be narrower than its array says
    keys = values.view(f"u{dtype.itemsize}")
    if dtype.kind == "i":
        keys ^= _top(dtype)
    if dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # a NaN may be a signalling one
            values += 0.0  # -0 becomes 0
        unknown = np.isnan(values)
        negative = values.view(f"i{dtype.itemsize}") >> (8 * dtype.itemsize - 1)  # all bits or none
        keys ^= negative.view(keys.dtype) | _top(dtype)
        np.copyto(keys, np.iinfo(keys.dtype).max, where=unknown)
    return keys


def numbers_of(keys: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The numbers that have these keys."""
    keys, top = keys.astype(f"u{dtype.itemsize}"), _top(dtype)
    if dtype.kind == "i":
        keys ^= top
    if dtype.kind == "f":
        keys ^= np.where(keys < top, np.iinfo(keys.dtype).max, top)
    return keys.view(dtype)


def _top(dtype: np.dtype) -> Any:
    """The highest bit."""
    return np.dtype(f"u{dtype.itemsize}").type(1 << (8 * dtype.itemsize - 1))


@in_default_environment
def tallied(
    x: np.ndarray,
    where: Any,
    nodata: Any,
    sought: Sought | None,
    *,
    dtype: np.dtype,
    nan_policy: str,
    channel_axis: tuple[int, ...],
    shift: int,
) -> Tallies:
    """Count the digits of a chunk at so many bits, one wanted prefix of all channels after the other."""
    refuse_device(x, "x", "where quantiles are computed")
    operand, axes = open_data(x, channel_axis, nan_policy, where, nodata)
    keys = keys_of(operand.stored.transpose(axes.kept + axes.reduced), dtype)
    present = _present(operand, axes)
    digits = (keys >> keys.dtype.type(shift)).astype(np.uint16)
    count = functools.partial(channel_quantiles, digits, 1.0, tuple(range(len(axes.kept))))
    if sought is None:
        return (count(where=present),)
    keys >>= keys.dtype.type(shift + _BITS)
    one_each = (..., *[np.newaxis] * len(axes.reduced))
    return tuple(count(where=(keys == prefix[one_each]) & present) for prefix in sought.wanted(keys.dtype))


def _present(x: Operand, axes: Axes) -> np.ndarray | np.bool_:
    """Which values count, the kept axes first."""
    if x.selection is None:
        return np.True_
    every = tuple(slice(0, x.stored.shape[axis]) for axis in axes.kept + axes.reduced)
    block = Block((*every, ...), every[: len(axes.kept)], axes.channels, x.stored.size, first=True)
    return ~x.selection.absent(x.stored, axes, block)


def merged(parts: Iterable[Tallies], union: Callable[[list[ChannelQuantiles]], ChannelQuantiles]) -> Tallies:
    """Tallies of all parts."""
    return tuple(union(list(column)) for column in zip(*parts, strict=True))


def unknown(first: ChannelQuantiles) -> np.ndarray:
    """Which channels have a NaN, by their first digits."""
    return np.asarray(first.values == _UNKNOWN)


@in_default_environment
def begun(found: Tallies, q: float | tuple[float, ...], dtype: np.dtype) -> Sought:
    """The ranks to look for, and the first digits."""
    first = found[0]
    ranks = places(np.atleast_1d(np.array(q)), first.count)
    rank = np.concatenate([ranks.previous, ranks.following])
    nan = unknown(first) & (dtype.kind == "f")
    return Sought(first.count, first.n_missing, nan, np.zeros(rank.shape, np.uint64), rank).narrowed(found)


@in_default_environment
def finished(sought: Sought, q: float | tuple[float, ...], dtype: np.dtype) -> ChannelQuantiles:
    """What `fastbn.channel_quantiles` makes of the same order statistics."""
    previous, following = np.split(numbers_of(sought.prefix, dtype).astype(np.float64), 2)
    ordered = Ordered(sought.counted, previous, following, sought.unknown)
    values = quantiles_of(ordered, np.atleast_1d(np.array(q)))
    return ChannelQuantiles(Contents(q, values, sought.counted, sought.missing, dtype, None, None))

"""Exact histograms of 8- and 16-bit integers and bool: which values there are in each channel, and how often.

They are held sparse, by ascending keys: so small channels stay small, and a merge is one sort. They are made block by
block. A block is counted bin by bin where it has no fewer values than bins, else sorted: 65536 bins per channel would
take longer to clear than a short piece of it to sort.
"""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ._arrays import Operand
from ._layout import Axes, Block, cut_kept

LEVELS = 1 << 16  # keys of a channel
_DENSE = 1 << 20  # bins that are held at a time, 8 MiB
_SPARE = 4  # bins per value of a block up to which counting beats sorting
_LONG = 64  # values of a row from which sorting by digits, which NumPy does for 16 bits, beats comparing

Counts = tuple[np.ndarray, np.ndarray]  # keys, how often each


class Histogram(NamedTuple):
    """Values of channels and their numbers, both int64."""

    least: int  # of the dtype
    channels: int
    keys: np.ndarray  # ascending: channel * LEVELS + value - least
    counts: np.ndarray  # above 0

    @property
    def starts(self) -> np.ndarray:
        """Where each channel starts in the keys, and where the last one ends."""
        return np.asarray(np.searchsorted(self.keys, np.arange(self.channels + 1) * LEVELS))

    @property
    def values(self) -> np.ndarray:
        """The value of every key."""
        return np.asarray(self.keys % LEVELS + self.least)

    def total(self) -> np.ndarray:
        """Values counted in each channel."""
        return np.asarray(np.diff(self._before()[self.starts]))

    def _before(self) -> np.ndarray:
        """How many values come before each key, and how many there are."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts)])

    def located(self, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (quantiles, channels) of such ranks, as float64, and their ranks among the values equal to them.

        Any numbers in a channel without values.
        """
        if not self.keys.size:
            return np.zeros(ranks.shape), np.zeros(ranks.shape, np.int64)
        before = self._before()
        places = before[self.starts[:-1]] + ranks
        found = np.minimum(np.searchsorted(before[1:], places, side="right"), self.keys.size - 1)
        return np.asarray(self.values[found], np.float64), places - before[found]

    def select(self, channels: np.ndarray) -> "Histogram":
        """Some of the channels, in this order."""
        starts = self.starts
        lengths = np.diff(starts)[channels]
        shifts = np.cumsum(lengths) - lengths
        index = np.repeat(starts[channels] - shifts, lengths) + np.arange(lengths.sum())
        keys = self.keys[index] % LEVELS + np.repeat(np.arange(channels.size), lengths) * LEVELS
        return Histogram(self.least, channels.size, keys, self.counts[index])


def has_histogram(dtype: np.dtype) -> bool:
    """Whether histograms are made of data of a dtype."""
    return dtype.kind in "biu" and dtype.itemsize <= 2


def least_of(dtype: np.dtype) -> int:
    """The least number of such a dtype."""
    return int(np.iinfo(dtype).min) if dtype.kind == "i" else 0


def merged(parts: list[Histogram]) -> Histogram:
    """Histogram of the union of data of one dtype."""
    least, channels = parts[0][:2]
    return Histogram(least, channels, *_collected([part[2:] for part in parts]))


def side_by_side(parts: list[Histogram]) -> Histogram:
    """Histograms of the channels of all parts, one part after the other."""
    first = list(itertools.accumulate((part.channels for part in parts), initial=0))
    keys = [part.keys + LEVELS * before for part, before in zip(parts, first, strict=False)]
    return Histogram(parts[0].least, first[-1], np.concatenate(keys), np.concatenate([part.counts for part in parts]))


def histogram_of(x: Operand, axes: Axes) -> Histogram:
    """Count checked data."""
    least = least_of(x.original)
    bins = 1 << 8 * x.stored.dtype.itemsize
    if x.stored.size == 0:
        parts = []
    elif axes.values < bins:
        whole = tuple(slice(0, n) for n in x.stored.shape)
        parts = list(_counted(x, axes, whole, bins, np.arange(axes.channels).reshape(axes.shape)))
    else:
        parts = [_dense(x, axes, index, bins) for index in cut_kept(x.stored.shape, axes._replace(values=bins), _DENSE)]
    return Histogram(least, axes.channels, *_collected(parts))


def _dense(x: Operand, axes: Axes, index: tuple[slice, ...], bins: int) -> Counts:
    """Count some channels with all their bins in memory."""
    here: Any = (..., *(index[axis] for axis in axes.kept))
    channels = np.arange(axes.channels).reshape(axes.shape)[here]
    totals = np.zeros(channels.size * bins, np.int64)
    local = np.arange(channels.size).reshape(channels.shape)
    for keys, counts in _counted(x, axes, index, bins, local, bins):
        totals[keys] += counts
    found = np.flatnonzero(totals)
    return channels.reshape(-1)[found // bins] * LEVELS + found % bins, totals[found]


def _counted(
    x: Operand, axes: Axes, index: tuple[slice, ...], bins: int, rows: np.ndarray, pitch: int = LEVELS
) -> Iterator[Counts]:
    """Counts of every block of a piece; the key of a value is ``row * pitch + value - least``."""
    from ._backends.sources import in_order  # 5 to 20 ms at import

    part = x._replace(stored=x.stored[index])
    offsets = tuple(index[axis].start for axis in axes.kept)

    def count(block: Block) -> Counts:
        return _count(x, axes, _moved(block, offsets), bins)

    for block, (keys, counts) in in_order((part.stored,), axes, count):
        here: Any = (..., *block.kept)
        yield rows[here].reshape(-1)[keys // bins] * pitch + keys % bins, counts


def _moved(block: Block, offsets: tuple[int, ...]) -> Block:
    """A block of a piece as one of the whole."""
    kept = tuple(slice(s.start + n, s.stop + n) for s, n in zip(block.kept, offsets, strict=True))
    return block._replace(where=kept + block.where[len(kept) :], kept=kept)


def _count(x: Operand, axes: Axes, block: Block, bins: int) -> Counts:
    """Count a block; the key of a value is ``channel of the block * bins + value - least``."""
    piece = x.stored.transpose(axes.kept + axes.reduced)[block.where]
    dense = block.channels * bins <= _SPARE * piece.size
    dtype = np.dtype(np.int64) if dense else piece.dtype.newbyteorder("=")
    values: np.ndarray = np.array(piece, dtype=dtype, order="C").reshape(block.channels, -1)
    absent = None if x.selection is None else x.selection.absent(x.stored, axes, block).reshape(values.shape)
    least, rows = least_of(x.original), np.arange(block.channels) * bins
    if not dense:
        keys, counts = _sorted(values, absent)
        return rows[keys[0]] + keys[1] - least, counts
    values += rows[:, np.newaxis] - least
    counts = np.bincount(values.reshape(-1) if absent is None else values[~absent], minlength=block.channels * bins)
    found = np.flatnonzero(counts)
    return found, counts[found]


def _sorted(values: np.ndarray, absent: np.ndarray | None) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Rows and values of what is there, and how often.

    What is absent becomes the greatest value, and is taken off its number afterwards.
    """
    if absent is not None:
        np.copyto(values, np.iinfo(values.dtype).max, where=absent)
    values.sort(axis=1, kind="stable" if values.shape[1] >= _LONG else None)
    new = np.ones(values.shape, np.bool_)
    np.not_equal(values[:, 1:], values[:, :-1], out=new[:, 1:])
    first = np.flatnonzero(new)
    counts = np.diff(first, append=values.size)
    row = first // values.shape[1]
    if absent is not None:
        counts[np.searchsorted(row, np.arange(len(values)), side="right") - 1] -= absent.sum(axis=1)
        first, row, counts = first[counts > 0], row[counts > 0], counts[counts > 0]
    return (row, values.reshape(-1)[first].astype(np.int64)), counts


def _collected(parts: list[Counts]) -> Counts:
    """Counts of all parts, one for each key, by ascending keys."""
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    keys, counts = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    if (keys[1:] < keys[:-1]).any():
        by_key = np.argsort(keys, kind="stable")
        keys, counts = keys[by_key], counts[by_key]
    new = keys[1:] != keys[:-1]
    if new.all():
        return keys, counts
    first = np.concatenate([[0], np.flatnonzero(new) + 1])
    return keys[first], np.add.reduceat(counts, first)

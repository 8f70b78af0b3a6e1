"""Statistics and transformation of an array in a file, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbn import ChannelQuantiles, ChannelStats
from fastbn._layout import ChannelAxis, split_axes

from ._chunks import Index, chunks
from ._npy import NpyFile
from ._progress import progress

Statistics = ChannelStats | ChannelQuantiles
Fit = Callable[..., Any]
Transform = Callable[..., NDArray[Any]]

# A piece and its output are a part of the memory; the rest is for the mapped pages which the system has read ahead.
PARTS = 4
# Larger pieces are no faster. And where the memory allows pieces of this size, the same file gives the same bits.
LARGEST = 32 * 2**20


class Stream:
    """An array in a file, the axes of it that are kept, and the memory to use."""

    def __init__(self, source: NpyFile, channel_axis: ChannelAxis, memory: int) -> None:
        self.source = source
        self.channel_axis = channel_axis
        self.memory = memory
        self.axes = split_axes(source.array.shape, channel_axis)

    def rehearse(self, fit: Fit, transform: Transform | None = None) -> np.dtype[Any]:
        """Do the job on a single zero: what is wrong with the arguments shows before anything is read or written.

        Returns the dtype of the output.
        """
        sample = np.zeros((1,) * self.source.array.ndim, self.source.array.dtype)
        sample_stats = fit(sample, channel_axis=self.channel_axis)
        return sample.dtype if transform is None else transform(sample, stats=sample_stats).dtype

    def try_on(self, transform: Transform, stats: Statistics) -> None:
        """See on a single value that statistics from a file are what a transform can use."""
        sample = self.source.array[(slice(0, 1),) * self.source.array.ndim]
        transform(sample, stats=stats.select((slice(0, 1),) * len(self.axes.shape)))

    def measure(self, fit: Fit) -> Any:
        """Compute the statistics of the whole array. Exact ones do not depend on the memory that was allowed."""
        # The kept axes are never cut: the statistics hold all channels at once anyway.
        axes = [axis for axis in self.source.slowest_first if axis in self.axes.reduced]
        pieces = self._pieces(axes, self.source.array.itemsize, "statistics")
        _, first = next(pieces)
        stats = fit(first, channel_axis=self.channel_axis)
        for _, piece in pieces:
            stats = stats + fit(piece, channel_axis=self.channel_axis)
        return stats

    def measure_at_once(self, fit: Fit) -> Any:
        """Compute statistics that cannot be merged; what of the file is in memory is for the library to say."""
        with progress("statistics", self.source.array.nbytes) as done:
            stats = fit(self.source.array, channel_axis=self.channel_axis)
            done(self.source.array.nbytes)
        self.source.release()
        return stats

    def transform(self, transform: Transform, stats: Statistics, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
        """Yield the output in the order of the file; each piece lives until the next one is asked for."""
        itemsize = max(dtype.itemsize, self.source.array.itemsize)
        buffer = np.empty(0, dtype)
        for index, piece in self._pieces(self.source.slowest_first, itemsize, "writing"):
            if piece.size > buffer.size:
                buffer = np.empty(piece.size, dtype)
            out = buffer[: piece.size].reshape(piece.shape, order=self.source.order)
            yield transform(piece, stats=self._of_channels(stats, index), out=out)

    def _pieces(self, axes: Sequence[int], itemsize: int, label: str) -> Iterator[tuple[Index, NDArray[Any]]]:
        array = self.source.array
        limit = max(1, min(self.memory // PARTS, LARGEST) // itemsize)
        with progress(label, array.nbytes) as done:
            for index in chunks(array.shape, axes, limit):
                piece = array[index]
                yield index, piece
                done(piece.nbytes)
                self.source.release()

    def _of_channels(self, stats: Statistics, index: Index) -> Statistics:
        """Select the channels of a piece."""
        part = tuple(index[axis] for axis in self.axes.kept)
        if all(cut.stop - cut.start == length for cut, length in zip(part, self.axes.shape, strict=True)):
            return stats
        return stats.select(part)

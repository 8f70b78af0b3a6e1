"""The schedule of reductions: which unit leaves its result where, and how results are folded.

Design. A method (compensated, exact) and the arithmetic of a dtype decide the kernels and the rows of a state; the
schedule is the same for all.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import _threads
from .._arrays import Operand
from .._kernels import variants
from .._layout import Axes, Block, Cut, View, blocks, direct_view, limit_segments
from . import Moments
from .blocks import staged, waves
from .scratch import scratch

_WAVE = 4  # staged blocks per thread between two rounds of joining


class Partials:
    """Where units leave their results: a state and the extremes per segment and channel."""

    def __init__(self, segments: int, channels: int, rows: int, word: np.dtype, dtype: np.dtype) -> None:
        self.states = np.zeros(segments * rows * channels, word)
        self.least = np.empty(segments * channels, dtype)
        self.greatest = np.empty(segments * channels, dtype)
        self.channels = channels

    def result(self, rows: int) -> Moments:
        """The first rows of the first segment's part, which holds the result."""
        channels = self.channels
        state = self.states[: rows * channels].reshape(rows, channels)
        if self.least.size == channels:
            return Moments(state, self.least, self.greatest)
        return Moments(state.copy(), self.least[:channels].copy(), self.greatest[:channels].copy())


class Reduction:
    """One method for one kind of data."""

    def __init__(self, kernels: SimpleNamespace, method: str, arithmetic: str, storage: np.dtype) -> None:
        self._kernels = kernels
        self._storage = storage
        self._word = variants.STATE_DTYPES[method]
        self._rows = variants.REDUCTIONS[method][arithmetic]["ROWS_OF_STATE"]

    def partials(self, cut: Cut) -> Partials:
        """Room for the results of all units."""
        return Partials(cut.segments, cut.channels, self._rows, self._word, self._storage)

    def whole(self, x: Operand, axes: Axes) -> Partials:
        """Reduce a non-empty array."""
        view = direct_view(x.stored, axes) if x.direct else None
        if view is None:
            return self._staged(x, axes)
        view = View(view.flat, limit_segments(view.cut, self._rows * self._word.itemsize))
        partials = self.partials(view.cut)
        _threads.run(
            view.cut.blocks * view.cut.segments,
            x.stored.nbytes,
            lambda begin, end: self.units(view, partials, begin, end),
        )
        self.combine(view, partials, 0, view.cut.blocks)
        self.conclude(partials, 0, view.cut.channels)
        return partials

    def units(self, view: View, partials: Partials, begin: int, end: int) -> None:
        """Reduce units ``begin`` to ``end``, each into its own place."""
        kernels = self._kernels
        (kernels.walk_rows if view.cut.along_rows else kernels.walk_columns)(
            view.flat,
            view.cut.geometry,
            begin,
            end,
            partials.states,
            partials.least,
            partials.greatest,
            scratch.lanes,
            scratch.values(view.flat.dtype),
        )

    def combine(self, view: View, partials: Partials, first: int, last: int) -> None:
        """Fold the segments of some blocks of channels."""
        if view.cut.segments > 1:
            self._kernels.combine(
                partials.states,
                view.cut.segments,
                view.cut.channels,
                first * view.cut.block,
                min(last * view.cut.block, view.cut.channels),
                partials.least,
                partials.greatest,
            )

    def conclude(self, partials: Partials, begin: int, end: int) -> None:
        """Bring the results of channels ``begin`` to ``end`` into their last form."""
        self._kernels.conclude(
            partials.states, partials.channels, begin, end, partials.least, partials.greatest, scratch.lanes
        )

    def _staged(self, x: Operand, axes: Axes) -> Partials:
        """Reduce copies of blocks; join them in the order of the blocks."""
        whole = Partials(1, axes.channels, self._rows, self._word, self._storage)
        states = whole.states.reshape(self._rows, *axes.shape)
        least, greatest = whole.least.reshape(axes.shape), whole.greatest.reshape(axes.shape)
        ordered = x.stored.transpose(axes.kept + axes.reduced)

        def reduce_block(block: Block) -> Partials:
            view = staged(ordered[block.where], x.storage, block.channels)
            part = self.partials(view.cut)
            self.units(view, part, 0, view.cut.blocks * view.cut.segments)
            self.combine(view, part, 0, view.cut.blocks)
            return part

        wave = _WAVE * _threads.get_num_threads()
        for current in waves(blocks(x.stored, axes), wave):
            parts: list[Any] = [None] * len(current)

            def work(begin: int, end: int, current: Any = current, parts: Any = parts) -> None:
                for i in range(begin, end):
                    parts[i] = reduce_block(current[i])

            _threads.run(len(current), x.stored.nbytes, work)
            for block, part in zip(current, parts, strict=True):
                rows = (slice(None), *block.kept)
                if not block.first:
                    joined = states[rows].ravel()
                    low, high = least[block.kept].ravel(), greatest[block.kept].ravel()
                    self._kernels.absorb(joined, part.states, block.channels, low, high, part.least, part.greatest)
                    part.states, part.least, part.greatest = joined, low, high
                shape = least[block.kept].shape
                size = self._rows * block.channels
                states[rows] = part.states[:size].reshape(self._rows, *shape)
                least[block.kept] = part.least[: block.channels].reshape(shape)
                greatest[block.kept] = part.greatest[: block.channels].reshape(shape)
        self.conclude(whole, 0, axes.channels)
        return whole

"""The schedule of reductions: which unit leaves its result where, and how results are folded.

Design. A method (compensated, exact, gradients) and the arithmetic of a dtype decide the kernels and the rows of a
state; the schedule is the same for all.
"""

from types import SimpleNamespace

import numpy as np

from .. import _threads
from .._cuts import Cut, limit_segments
from .._kernels import reductions
from .._kernels.halves import ordered
from .._kernels.sums import PIVOT, PIVOT_TAIL
from .._layout import Axes, Block, View, as_numbers
from .._merging import no_extremes
from . import Moments
from .scratch import scratch
from .sources import Source, in_order

_NEGATIVE_ZERO = -1  # -0 in the order of float16


class Partials:
    """Where units leave their results: a state and the extremes per segment and channel."""

    __slots__ = ("_dtype", "channels", "greatest", "least", "states")

    def __init__(self, segments: int, channels: int, rows: int, word: np.dtype, dtype: np.dtype) -> None:
        size = segments * channels
        self.states = np.zeros(size * rows, word)
        self.least, self.greatest = as_numbers(np.empty(size, dtype)), as_numbers(np.empty(size, dtype))
        self.channels = channels
        self._dtype = dtype

    def vacate(self) -> None:
        """Make the extremes of channels of which nothing counts those of nothing."""
        empty = self.states[: self.channels] == 0
        if empty.any():
            for end, nothing in zip((self.least, self.greatest), no_extremes((), self.least.dtype), strict=True):
                end[: self.channels][empty] = nothing

    def result(self, rows: int) -> Moments:
        """The first rows of the first segment's part, which holds the result."""
        channels, least, greatest = self.channels, self.least, self.greatest
        state = self.states[: rows * channels].reshape(rows, channels)
        if least.size > channels:
            state, least, greatest = state.copy(), least[:channels].copy(), greatest[:channels].copy()
        if self._dtype.char == "e":
            least, greatest = _values_in_order(least, greatest)
        return Moments(state, least, greatest)


def _values_in_order(*ends: np.ndarray) -> list[np.ndarray]:
    """float16 extremes from whole numbers in their order: NaN where one of them is, and +0 for -0."""
    values = [ordered(np.where(end == _NEGATIVE_ZERO, 0, end)).view(np.float16) for end in ends]
    absent = np.isnan(values).any(axis=0)
    return [np.where(absent, np.float16(np.nan), value) for value in values]


class Reduction:
    """One method for one kind of data."""

    def __init__(self, kernels: SimpleNamespace, method: str, arithmetic: str, storage: np.dtype) -> None:
        self._kernels = kernels
        self._storage = storage
        self._word = reductions.STATE_DTYPES[method]
        self.rows: int = reductions.REDUCTIONS[method][arithmetic]["ROWS_OF_STATE"]

    def cut(self, view: View) -> View:
        """The view as this method cuts it."""
        cut = limit_segments(view.cut, self.rows * self._word.itemsize)
        return view if cut is view.cut else view._replace(cut=cut)

    def partials(self, cut: Cut, centre: np.ndarray | None = None) -> Partials:
        """Room for the results of all units; ``centre`` (2, channels) is what is to be subtracted, in two words."""
        partials = Partials(cut.segments, cut.channels, self.rows, self._word, self._storage)
        if centre is not None:
            states = partials.states.reshape(cut.segments, self.rows, cut.channels)
            states[:, [PIVOT, PIVOT_TAIL]] = centre
        return partials

    def whole(self, source: Source, axes: Axes, centre: np.ndarray | None = None) -> Partials:
        """Reduce a non-empty array, or a pair of them."""
        view = source.view(axes)
        if view is None:
            return self._staged(source, axes, centre)
        view = self.cut(view)
        partials = self.partials(view.cut, centre)
        _threads.run(
            view.cut.groups * view.cut.segments,
            source.nbytes,
            lambda begin, end: self._units(view, view.cut.spread, partials, begin, end),
        )
        self._combine(view.cut, partials, 0, view.cut.blocks)
        self._conclude(partials, 0, view.cut.channels)
        return partials

    def blocks(self, view: View, partials: Partials, first: int, last: int) -> None:
        """Reduce blocks ``first`` to ``last`` of channels, and bring their results into their last form."""
        self._units(view, view.cut.geometry, partials, first * view.cut.segments, last * view.cut.segments)
        self._combine(view.cut, partials, first, last)
        self._conclude(partials, first * view.cut.block, min(last * view.cut.block, view.cut.channels))

    def piece(self, view: View, centre: np.ndarray | None = None) -> Partials:
        """Reduce an array on this thread, but for the last form of the result."""
        view = self.cut(view)
        part = self.partials(view.cut, centre)
        self._units(view, view.cut.geometry, part, 0, view.cut.blocks * view.cut.segments)
        self._combine(view.cut, part, 0, view.cut.blocks)
        part.vacate()
        return part

    def _units(self, view: View, geometry: np.ndarray, partials: Partials, begin: int, end: int) -> None:
        """Reduce units ``begin`` to ``end``, each into its own place."""
        kernels = self._kernels
        (kernels.walk_rows if view.cut.along_rows else kernels.walk_columns)(
            view.flat,
            view.other,
            geometry,
            begin,
            end,
            partials.states,
            partials.least,
            partials.greatest,
            scratch.lanes,
            scratch.values(view.flat.dtype),
        )

    def _combine(self, cut: Cut, partials: Partials, first: int, last: int) -> None:
        """Fold the segments of some blocks of channels."""
        if cut.segments > 1:
            self._kernels.combine(
                partials.states,
                cut.segments,
                cut.channels,
                first * cut.block,
                min(last * cut.block, cut.channels),
                partials.least,
                partials.greatest,
                scratch.lanes,
            )

    def _conclude(self, partials: Partials, begin: int, end: int) -> None:
        """Bring the results of channels ``begin`` to ``end`` into their last form."""
        self._kernels.conclude(
            partials.states, partials.channels, begin, end, partials.least, partials.greatest, scratch.lanes
        )

    def _staged(self, source: Source, axes: Axes, centre: np.ndarray | None) -> Partials:
        """Reduce copies of blocks; join them in the order of the blocks."""
        whole = Partials(1, axes.channels, self.rows, self._word, self._storage)
        states = whole.states.reshape(self.rows, *axes.shape)
        least, greatest = whole.least.reshape(axes.shape), whole.greatest.reshape(axes.shape)
        centres = None if centre is None else centre.reshape(2, *axes.shape)

        def reduce_block(block: Block) -> Partials:
            of_block = None if centres is None else centres[(slice(None), *block.kept)].reshape(2, -1)
            return self.piece(source.staged(axes, block).view, of_block)

        for block, part in in_order(source.arrays, axes, reduce_block, source.storage.itemsize * len(source.arrays)):
            rows = (slice(None), *block.kept)
            if not block.first:
                joined = states[rows].ravel()
                low, high = least[block.kept].ravel(), greatest[block.kept].ravel()
                ends = low, high, part.least, part.greatest
                self._kernels.absorb(joined, part.states, block.channels, *ends, scratch.lanes)
                part.states, part.least, part.greatest = joined, low, high
            shape = least[block.kept].shape
            size = self.rows * block.channels
            states[rows] = part.states[:size].reshape(self.rows, *shape)
            least[block.kept] = part.least[: block.channels].reshape(shape)
            greatest[block.kept] = part.greatest[: block.channels].reshape(shape)
        self._conclude(whole, 0, axes.channels)
        return whole

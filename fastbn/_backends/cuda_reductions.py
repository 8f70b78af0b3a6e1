"""Reductions on a device: parts of channels to slots, and the slots of each channel to its sums."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._devices import OnDevice, Place, empty
from .._kernels.grid.places import END_ROWS
from .._layout import Axes, Block
from ._cuda_machine import Launches
from .cuda_kernels import Reduction
from .cuda_pieces import Stage, Walk, groups_of, sizes_of_copies, walk_of_copies
from .device_moments import ends_of
from .grids import Grid, cut_grid, power

Copies = Callable[[Block], tuple[np.ndarray, np.ndarray]]


class Reducer:
    """Sums beside an array."""

    def __init__(self, place: Place, stage: Stage, launches: Launches) -> None:
        self._place = place
        self._stage = stage
        self._launches = launches

    def reduced(
        self,
        kernels: Reduction,
        array: np.ndarray,
        axes: Axes,
        walk: Walk | None,
        copies: Copies,
        itemsize: int,
        centre: np.ndarray | None,
    ) -> OnDevice:
        """Sums of arrays where they are, or of copies of pieces, and extremes; ``centre`` is what groups have."""
        if walk is not None:
            grid = cut_grid(walk.sizes, kernels.way.threads, kernels.values)
            parts = self._parts(kernels, grid.slots, axes.channels)
            self._reduce(kernels, walk, grid, centre, *parts)
            return self._closed(kernels, *parts, centre)
        if centre is not None and centre.shape[1] < axes.channels:
            each = np.broadcast_to(centre[..., np.newaxis], (*centre.shape, axes.channels // centre.shape[1]))
            centre = self._stage.vector(each).reshape(len(centre), axes.channels)
        closed: OnDevice | None = None
        for group in groups_of(array, axes, itemsize):
            here = (slice(None), *group.kept)
            about = centre
            if centre is not None and group.channels < axes.channels:
                rows = centre.reshape(-1, *axes.shape)[here]
                about = self._stage.vector(rows).reshape(len(centre), group.channels)
            sizes = [sizes_of_copies(block.size, group.channels) for block in group.pieces]
            grids = [cut_grid(some, kernels.way.threads, kernels.values) for some in sizes]
            parts = self._parts(kernels, sum(grid.slots for grid in grids), group.channels)
            first = 0
            for block, grid in zip(group.pieces, grids, strict=True):
                walk = walk_of_copies(*copies(block), group.channels)
                self._reduce(kernels, walk, grid, about, *(part[first:] for part in parts))
                first += grid.slots
            found = self._closed(kernels, *parts, about)
            if group.channels == axes.channels:
                return found
            if closed is None:
                closed = empty((len(found), axes.channels), found.dtype, self._place)
            self._stage.spread(found, found.dtype, closed.reshape(-1, *axes.shape)[here])
        assert closed is not None
        return closed

    def _parts(self, kernels: Reduction, slots: int, channels: int) -> tuple[OnDevice, OnDevice]:
        """Room for slots and their extremes."""
        words = self._stage.scratch(slots, kernels.way.slot_rows, channels).view(kernels.way.word)
        return words, self._stage.scratch(slots, END_ROWS, channels)  # type: ignore[return-value]

    def _reduce(
        self, kernels: Reduction, walk: Walk, grid: Grid, centre: np.ndarray | None, parts: np.ndarray, ends: np.ndarray
    ) -> None:
        _, channels, inner, stride, jump = walk.sizes
        geometry: tuple[Any, ...] = (walk.x, walk.y, channels, inner, stride, jump)
        if grid.along_rows:
            geometry += int(walk.beside(kernels.values)), int(walk.aligned(kernels.values))
        cuts = (grid.length, grid.splits, grid.share, grid.together)
        arguments = (*geometry, *cuts, *_centre(centre, ends, channels), parts, ends)
        kernel = kernels.rows if grid.along_rows else kernels.columns
        self._launches.add(kernel, grid.blocks, kernels.way.threads, *arguments)

    def _closed(self, kernels: Reduction, parts: np.ndarray, ends: np.ndarray, centre: np.ndarray | None) -> OnDevice:
        """Fold the slots of each channel: rows of sums, and those of extremes, as bits of the same type."""
        slots, _, channels = parts.shape
        way = kernels.way
        closed = empty((way.closed_rows + END_ROWS, channels), way.word, self._place)
        closed_ends = ends_of(closed)
        lanes = power(slots, way.closing)
        arguments = (parts, ends, channels, slots, lanes, *_centre(centre, ends, channels), closed, closed_ends)
        self._launches.add(kernels.close, -(-channels // (way.closing // lanes)), way.closing, *arguments)
        return closed


def _centre(centre: np.ndarray | None, nothing: np.ndarray, channels: int) -> tuple[np.ndarray, int, int]:
    """What groups of channels have (or memory that nobody reads), how many groups, and channels of one."""
    if centre is None:
        return nothing, channels, 1
    return centre, centre.shape[1], channels // centre.shape[1]

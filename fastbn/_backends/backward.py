"""The schedule of the backward pass: reduce, coefficients, map, group by group of channels where one fits the cache."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _threads
from .._arrays import Operand
from .._kernels.gradients import ROWS_OF_GRADIENTS
from .._kernels.sizes import KNOBS
from .._kernels.variants import GRADIENT_DTYPES
from .._layout import Axes, Block, View, blocks, direct_view, same_cut
from . import MOMENT_ROWS, Moments
from .blocks import staged, waves
from .scratch import scratch

_WAVE = 64  # staged blocks that are held at a time
_STAGED = np.dtype(np.float64)

Views = tuple[View, View, View]  # of x, dy and dx


class Backward:
    """One call: what is known of the channels, and where results go."""

    def __init__(self, kernels: Callable[[np.dtype], Any], moments: Moments, gamma: np.ndarray, eps: float) -> None:
        self._kernels = kernels
        self._state = moments.state.reshape(-1)
        self._channels = moments.least.size
        self._gamma = gamma
        self._eps = eps
        self._knobs = np.empty(KNOBS * self._channels)
        self.dgamma, self.dbeta = np.empty(self._channels), np.empty(self._channels)

    def run(self, x: Operand, dy: Operand, axes: Axes, out: Operand | None, slab: int, group_size: int) -> None:
        """Fill ``dgamma`` and ``dbeta``, and ``out`` unless it is None."""
        views = _views(x, dy, out, axes)
        if views is None:
            self._run_staged(x, dy, axes, out)
            return
        cut = views[0].cut
        size = x.stored.nbytes * (2 if out is None else 3)
        partials = np.empty(cut.segments * ROWS_OF_GRADIENTS * self._channels)
        if size // cut.blocks <= slab:
            group = max(1, group_size * cut.blocks // size)

            def work(begin: int, end: int) -> None:
                for first in range(begin, end, group):
                    last = min(first + group, end)
                    self._reduce(views, self._state, partials, first * cut.segments, last * cut.segments)
                    self._finish(views, partials, first * cut.block, min(last * cut.block, self._channels))
                    if out is not None:
                        self._map(views, self._knobs, first * cut.chunks, last * cut.chunks)

            _threads.run(cut.blocks, size, work)
            return
        reduce = functools.partial(self._reduce, views, self._state, partials)
        _threads.run(cut.blocks * cut.segments, size, reduce)
        self._finish(views, partials, 0, self._channels)
        if out is not None:
            _threads.run(cut.blocks * cut.chunks, size, functools.partial(self._map, views, self._knobs))

    def _reduce(self, views: Views, state: np.ndarray, partials: np.ndarray, begin: int, end: int) -> None:
        x, dy, _ = views
        kernels = self._kernels(x.flat.dtype)
        (kernels.gradient_rows if x.cut.along_rows else kernels.gradient_columns)(
            x.flat, x.cut.geometry, dy.flat, dy.cut.geometry, state, begin, end, partials, scratch.lanes
        )

    def _finish(self, views: Views, partials: np.ndarray, low: int, high: int) -> None:
        cut, kernels = views[0].cut, self._kernels(views[0].flat.dtype)
        if cut.segments > 1:
            kernels.combine_gradients(partials, cut.segments, self._channels, low, high)
        self._coefficients(kernels, partials, low, high)

    def _coefficients(self, kernels: Any, partials: np.ndarray, low: int, high: int) -> None:
        results = self.dgamma, self.dbeta, self._knobs
        kernels.gradient_coefficients(
            partials, self._state, self._channels, self._gamma, self._eps, *results, low, high
        )

    def _map(self, views: Views, knobs: np.ndarray, begin: int, end: int) -> None:
        x, dy, out = views
        kernels = self._kernels(x.flat.dtype)
        arrays = x.flat, x.cut.geometry, dy.flat, dy.cut.geometry, out.flat, out.cut.geometry
        (kernels.gradient_map_rows if x.cut.along_rows else kernels.gradient_map_columns)(
            *arrays, knobs, begin, end, scratch.lanes
        )

    def _run_staged(self, x: Operand, dy: Operand, axes: Axes, out: Operand | None) -> None:
        """Copies of blocks in float64; sums are joined in the order of the blocks."""
        kernels = self._kernels(_STAGED)
        order = axes.kept + axes.reduced
        arrays = x.stored.transpose(order), dy.stored.transpose(order)
        state = self._state.reshape(MOMENT_ROWS, *axes.shape)
        whole = np.zeros((ROWS_OF_GRADIENTS, *axes.shape))
        size = x.stored.nbytes + dy.stored.nbytes

        def views_of(block: Block) -> Views:
            a, b = (staged(array[block.where], _STAGED, block.channels) for array in arrays)
            return a, b, b

        def reduce_some(current: list[Block], parts: list[Any], begin: int, end: int) -> None:
            for i in range(begin, end):
                block = current[i]
                views = views_of(block)
                cut = views[0].cut
                part = np.empty(cut.segments * ROWS_OF_GRADIENTS * block.channels)
                of_block = np.ascontiguousarray(state[(slice(None), *block.kept)]).reshape(-1)
                self._reduce(views, of_block, part, 0, cut.blocks * cut.segments)
                if cut.segments > 1:
                    kernels.combine_gradients(part, cut.segments, block.channels, 0, block.channels)
                parts[i] = part[: ROWS_OF_GRADIENTS * block.channels]

        for current in waves(blocks(x.stored, axes), _WAVE):
            parts: list[Any] = [None] * len(current)
            _threads.run(len(current), size, functools.partial(reduce_some, current, parts))
            for block, part in zip(current, parts, strict=True):
                rows = (slice(None), *block.kept)
                joined = whole[rows].ravel()
                kernels.absorb_gradients(joined, part, block.channels)
                whole[rows] = joined.reshape(whole[rows].shape)
        self._coefficients(kernels, whole.reshape(-1), 0, self._channels)
        if out is None:
            return
        target = out.stored.transpose(order)
        knobs = self._knobs.reshape(KNOBS, *axes.shape)

        def map_some(current: list[Block], begin: int, end: int) -> None:
            for block in current[begin:end]:
                views = views_of(block)
                knob = knobs[(slice(None), *block.kept)].ravel()
                self._map(views, knob, 0, views[0].cut.blocks * views[0].cut.chunks)
                piece = target[block.where]
                with np.errstate(all="ignore"):
                    np.copyto(piece, views[2].flat.reshape(piece.shape), casting="same_kind")

        for current in waves(blocks(x.stored, axes), _WAVE):
            _threads.run(len(current), size, functools.partial(map_some, current))


def _views(x: Operand, dy: Operand, out: Operand | None, axes: Axes) -> Views | None:
    """Direct views of all arrays, if they have one dtype and the kernels can walk them together."""
    operands = [x, dy] if out is None else [x, dy, out]
    dtype = x.stored.dtype
    if dtype not in GRADIENT_DTYPES or not all(o.direct and o.stored.dtype == dtype for o in operands):
        return None
    views = [view for view in (direct_view(o.stored, axes) for o in operands) if view is not None]
    if len(views) < len(operands) or any(not same_cut(views[0].cut, view.cut) for view in views):
        return None
    return views[0], views[1], views[-1]

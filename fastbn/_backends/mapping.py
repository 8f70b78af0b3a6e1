"""The schedule of maps: in place where the kernels can walk input and output together, else block by block."""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from .. import _threads
from .._arrays import Operand
from .._kernels.sizes import KNOBS, MAP_MADE, MAP_PITCH, SCRATCH
from .._layout import Axes, Block, View, as_numbers, direct_view, same_walk
from .._selection import Kept
from .scratch import scratch
from .sources import STAGING_THREADS, Source, in_order, waves

_WAVE = 1024  # staged blocks whose places are held at a time


class Target(NamedTuple):
    """Where results go."""

    flat: np.ndarray
    geometry: np.ndarray
    dtype: np.dtype
    place: str  # "apart", or in place of an input (``_kernels/variants.py``)


def target_of(view: View, source: Source, axes: Axes, out: Operand) -> Target | None:
    """The output in place, if the kernels can walk it together with the input."""
    if out.storage == source.storage:
        if out.stored is source.arrays[0]:
            return Target(view.flat, view.cut.geometry, out.storage, "over")
        if out.stored is source.arrays[-1]:
            return Target(view.other, view.cut.geometry, out.storage, "other")
    elif len(source.arrays) > 1:
        return None
    if not out.direct:
        return None
    target = direct_view(out.stored, axes)
    if target is None or not same_walk(view, target):
        return None
    return Target(target.flat, target.cut.geometry, out.storage, "apart")


class Mapping:
    """One transform for one kind of data."""

    def __init__(self, kernels: Callable[[np.dtype, str], SimpleNamespace]) -> None:
        self._kernels = kernels

    def whole(
        self, source: Source, axes: Axes, coefficients: np.ndarray, out: Operand, kept: Kept | None = None
    ) -> None:
        """Map a non-empty array, or a pair of them, but for what keeps a value of its own."""
        inside = kept is not None and any(out.stored is array for array in source.arrays)
        view = None if inside else source.view(axes)
        target = view and target_of(view, source, axes, out)
        if view is None or target is None:
            self._staged(source, axes, coefficients, out, kept)
            return
        _threads.run(
            view.cut.units,
            source.nbytes + out.stored.nbytes,
            lambda begin, end: self._units(view, view.cut.spread, target, coefficients, begin, end),
        )
        if kept:
            self._keep(source, axes, out, kept)

    def _keep(self, source: Source, axes: Axes, out: Operand, kept: Kept) -> None:
        """Put what keeps its value into the finished output: the input still has it."""
        results = out.stored.transpose(axes.kept + axes.reduced)

        def work(block: Block) -> None:
            kept.put(results[block.where], kept.selection.absent(source.arrays[0], axes, block), block)

        for _ in in_order(source.arrays, axes, work, out.storage.itemsize):
            pass

    def blocks(self, view: View, target: Target, coefficients: np.ndarray, first: int, last: int) -> None:
        """Map blocks ``first`` to ``last`` of channels."""
        self._units(view, view.cut.geometry, target, coefficients, first * view.cut.chunks, last * view.cut.chunks)

    def _units(
        self, view: View, geometry: np.ndarray, target: Target, coefficients: np.ndarray, begin: int, end: int
    ) -> None:
        """Map units ``begin`` to ``end``."""
        kernels = self._kernels(target.dtype, target.place)
        (kernels.map_rows if view.cut.map_along_rows else kernels.map_columns)(
            view.flat,
            view.other,
            geometry,
            target.flat,
            target.geometry,
            coefficients,
            begin,
            end,
            scratch.lanes,
        )

    def _staged(self, source: Source, axes: Axes, coefficients: np.ndarray, out: Operand, kept: Kept | None) -> None:
        """Map copies of blocks and copy the results out."""
        knobs = coefficients.reshape(KNOBS, *axes.shape)
        results = out.stored.transpose(axes.kept + axes.reduced)
        storage = out.storage if len(source.arrays) == 1 else source.storage

        def work(current: list[Block], begin: int, end: int) -> None:
            staged, result = None, np.empty(0, storage)
            for block in current[begin:end]:
                values, view = staged = source.staged(axes, block, staged)
                if result.shape != values.shape:
                    result = np.empty_like(values, storage)
                target = Target(as_numbers(result.ravel(order="K")), view.cut.geometry, storage, "apart")
                self.blocks(view, target, knobs[(slice(None), *block.kept)].ravel(), 0, view.cut.blocks)
                if kept:
                    kept.put(result, kept.selection.absent(source.arrays[0], axes, block), block)
                source.copies.write(results[block.where], result)

        size = source.nbytes + out.stored.nbytes
        itemsize = max(source.storage.itemsize, storage.itemsize) * len(source.arrays)
        for current in waves(source.arrays[0], axes, _WAVE, itemsize):
            _threads.run(len(current), size, functools.partial(work, current), STAGING_THREADS)


assert SCRATCH >= MAP_MADE + MAP_PITCH  # maps use the same scratch

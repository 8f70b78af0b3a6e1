"""The schedule of every CPU backend: which thread takes which unit, what is fused, what is staged.

Design. A backend brings compiled kernels (``CompiledKernels``); this module walks them over an array. Where the array
can be seen as (outer, channel, inner), kernels work on it in place. Where it cannot (odd or negative strides, kept
axes which do not merge, byte-swapped or misaligned numbers, float16, which CPUs do not compute in), NumPy copies it
block by block into a small buffer, and the same kernels work on that. ``normalize`` reduces and maps one group of
channels after the other, so that the second read comes from cache (one read and one write of memory instead of two
and one), where such a group fits there.
"""

import functools
import itertools
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np

from .. import _threads
from .._arrays import Operand, two_words
from .._kernels.sizes import ENDS, KNOBS, PITCH, ROWS_OF_STATE, SCRATCH
from .._layout import Axes, Block, View, blocks, direct_view, same_cut
from . import Interval, Moments

_SLAB = 1 << 22  # bytes of a group of channels that may stay in cache between the two passes
_GROUP = 1 << 19  # small channels are handled together up to so many bytes, to save calls
_LINE = 64  # bytes of a cache line
_WAVE = 4  # staged blocks per thread between two rounds of joining
_MAP_WAVE = 1024  # staged blocks whose places are held at a time


class CompiledKernels(Protocol):
    """What a CPU backend compiles."""

    def reduction(self, arithmetic: str, dtype: np.dtype) -> SimpleNamespace: ...
    def map(
        self, transform: str, arithmetic: str, dtype: np.dtype, output: np.dtype, place: str
    ) -> SimpleNamespace: ...
    @property
    def coefficients(self) -> SimpleNamespace: ...


def _aligned(size: int, dtype: np.dtype) -> np.ndarray:
    """An empty array that starts with a cache line, so that no vector of lanes lies across two."""
    room = np.empty(size * dtype.itemsize + _LINE, np.uint8)
    start = -room.ctypes.data % _LINE
    return room[start : start + size * dtype.itemsize].view(dtype)


class _Scratch(threading.local):
    """Working memory of a thread, kept from call to call: for what lanes hold, and for extremes."""

    def __init__(self) -> None:
        self.lanes = _aligned(SCRATCH, np.dtype(np.float64))
        self._values: dict[np.dtype, np.ndarray] = {}

    def values(self, dtype: np.dtype) -> np.ndarray:
        """Room for the extremes of lanes and slots."""
        array = self._values.get(dtype)
        if array is None:
            array = self._values[dtype] = _aligned(ENDS, dtype)
        return array


_scratch = _Scratch()


class _Partials:
    """Where the units of a reduction leave their results: a state and the extremes per segment and channel."""

    def __init__(self, segments: int, channels: int, dtype: np.dtype) -> None:
        self.states = np.empty(segments * ROWS_OF_STATE * channels)
        self.least = np.empty(segments * channels, dtype)
        self.greatest = np.empty(segments * channels, dtype)
        self.channels = channels

    def moments(self) -> Moments:
        """The first segment's part, which holds the result."""
        channels = self.channels
        state = self.states[: 5 * channels].reshape(5, channels)
        if self.least.size == channels:
            return Moments(state, self.least, self.greatest)
        return Moments(state.copy(), self.least[:channels].copy(), self.greatest[:channels].copy())


class Host:
    """The verbs of ``Backend`` over compiled kernels."""

    def __init__(self, kernels: CompiledKernels) -> None:
        self._kernels = kernels

    def reduce_moments(self, x: Operand, axes: Axes) -> Moments:
        """Count, mean, m2 and extremes of every channel of a non-empty array."""
        view = direct_view(x.stored, axes) if x.direct else None
        if view is None:
            return self._reduce_staged(x, axes)
        partials = _Partials(view.cut.segments, view.cut.channels, view.flat.dtype)
        _threads.run(
            view.cut.blocks * view.cut.segments,
            x.stored.nbytes,
            lambda begin, end: self._reduce_units(x, view, partials, begin, end),
        )
        self._combine(x, view, partials, 0, view.cut.blocks)
        self._conclude(x, partials, 0, view.cut.channels)
        return partials.moments()

    def standardize(
        self, moments: Moments, gamma: Any, beta: Any, eps: float, ddof: int, constant: float
    ) -> np.ndarray:
        """Coefficients of ``(x - mean) gamma / sqrt(var + eps) + beta``."""
        channels = moments.state.shape[1]
        coefficients = np.empty(KNOBS * channels)
        self._kernels.coefficients.standardize(
            moments.state.reshape(-1), channels, gamma, beta, eps, ddof, constant, coefficients, 0, channels
        )
        return coefficients

    def destandardize(self, moments: Moments, gamma: Any, beta: Any, eps: float, ddof: int) -> np.ndarray:
        """Coefficients of the inverse map."""
        channels = moments.state.shape[1]
        coefficients = np.empty(KNOBS * channels)
        self._kernels.coefficients.destandardize(
            moments.state.reshape(-1), channels, gamma, beta, eps, ddof, coefficients, 0, channels
        )
        return coefficients

    def rescale(self, moments: Moments, onto: Interval, bounds: Interval, constant: float) -> np.ndarray:
        """Coefficients of the map of a channel's extremes onto an interval, clipped to ``bounds``."""
        low, high = two_words(moments.least), two_words(moments.greatest)
        coefficients = np.empty(KNOBS * moments.least.size)
        self._kernels.coefficients.rescale(
            moments.state[0], moments.least.size, *low, *high, *onto, *bounds, constant, coefficients
        )
        return coefficients

    def unscale(self, moments: Moments, interval: Interval) -> np.ndarray:
        """Coefficients of the inverse map."""
        low, high = two_words(moments.least), two_words(moments.greatest)
        coefficients = np.empty(KNOBS * moments.least.size)
        self._kernels.coefficients.unscale(moments.state[0], moments.least.size, *low, *high, *interval, coefficients)
        return coefficients

    def update_running(self, moments: Moments, weight: float, mean: np.ndarray, var: np.ndarray) -> None:
        """Move float64 running statistics towards the batch, in place."""
        self._kernels.coefficients.update_running(moments.state.reshape(-1), mean.size, weight, mean, var)

    def map_channels(self, x: Operand, axes: Axes, transform: str, coefficients: np.ndarray, out: Operand) -> None:
        """Apply a transform of ``variants.TRANSFORMS`` with one set of coefficients per channel."""
        views = _common_views(x, out, axes)
        if views is None:
            self._map_staged(x, axes, transform, coefficients, out)
            return
        source, target = views
        _threads.run(
            source.cut.blocks * source.cut.chunks,
            x.stored.nbytes + out.stored.nbytes,
            lambda begin, end: self._map_units(x, source, target, transform, coefficients, begin, end),
        )

    def normalize_batch(
        self,
        x: Operand,
        axes: Axes,
        transform: str,
        gamma: np.ndarray,
        beta: np.ndarray,
        eps: float,
        ddof: int,
        constant: float,
        out: Operand,
    ) -> Moments:
        """Reduce, and map with the result: group by group of channels where a group fits the cache."""
        views = _common_views(x, out, axes)
        size = x.stored.nbytes + out.stored.nbytes
        if views is None or size // views[0].cut.blocks > 2 * _SLAB:
            moments = self.reduce_moments(x, axes)
            self.map_channels(x, axes, transform, self.standardize(moments, gamma, beta, eps, ddof, constant), out)
            return moments
        source, target = views
        group = max(1, _GROUP * source.cut.blocks // size)
        partials = _Partials(source.cut.segments, source.cut.channels, source.flat.dtype)
        coefficients = np.empty(KNOBS * source.cut.channels)

        def work(begin: int, end: int) -> None:
            for first in range(begin, end, group):
                last = min(first + group, end)
                low, high = first * source.cut.block, min(last * source.cut.block, source.cut.channels)
                self._reduce_units(x, source, partials, first * source.cut.segments, last * source.cut.segments)
                self._combine(x, source, partials, first, last)
                self._conclude(x, partials, low, high)
                self._kernels.coefficients.standardize(
                    partials.states, source.cut.channels, gamma, beta, eps, ddof, constant, coefficients, low, high
                )
                self._map_units(
                    x, source, target, transform, coefficients, first * source.cut.chunks, last * source.cut.chunks
                )

        _threads.run(source.cut.blocks, size, work)
        return partials.moments()

    def _reduce_units(self, x: Operand, view: View, partials: _Partials, begin: int, end: int) -> None:
        kernels = self._kernels.reduction(x.arithmetic, x.storage)
        (kernels.walk_rows if view.cut.along_rows else kernels.walk_columns)(
            view.flat,
            view.cut.geometry,
            begin,
            end,
            partials.states,
            partials.least,
            partials.greatest,
            _scratch.lanes,
            _scratch.values(view.flat.dtype),
        )

    def _combine(self, x: Operand, view: View, partials: _Partials, first: int, last: int) -> None:
        if view.cut.segments > 1:
            self._kernels.reduction(x.arithmetic, x.storage).combine(
                partials.states,
                view.cut.segments,
                view.cut.channels,
                first * view.cut.block,
                min(last * view.cut.block, view.cut.channels),
                partials.least,
                partials.greatest,
            )

    def _conclude(self, x: Operand, partials: _Partials, begin: int, end: int) -> None:
        self._kernels.reduction(x.arithmetic, x.storage).conclude(
            partials.states,
            partials.channels,
            begin,
            end,
            partials.least,
            partials.greatest,
            _scratch.lanes,
        )

    def _map_units(
        self, x: Operand, source: View, target: View, transform: str, coefficients: np.ndarray, begin: int, end: int
    ) -> None:
        place = "over" if target is source else "apart"
        kernels = self._kernels.map(transform, x.arithmetic, x.storage, target.flat.dtype, place)
        (kernels.map_rows if source.cut.along_rows else kernels.map_columns)(
            source.flat,
            source.cut.geometry,
            target.flat,
            target.cut.geometry,
            coefficients,
            begin,
            end,
            _scratch.lanes,
        )

    def _reduce_staged(self, x: Operand, axes: Axes) -> Moments:
        """Reduce copies of blocks; join them in the order of the blocks."""
        kernels = self._kernels.reduction(x.arithmetic, x.storage)
        whole = _Partials(1, axes.channels, x.storage)
        states = whole.states.reshape(ROWS_OF_STATE, *axes.shape)
        least, greatest = whole.least.reshape(axes.shape), whole.greatest.reshape(axes.shape)
        ordered = x.stored.transpose(axes.kept + axes.reduced)

        def reduce_block(block: Block) -> _Partials:
            view = _staged(ordered[block.where], x.storage, block.channels)
            part = _Partials(view.cut.segments, view.cut.channels, x.storage)
            self._reduce_units(x, view, part, 0, view.cut.blocks * view.cut.segments)
            self._combine(x, view, part, 0, view.cut.blocks)
            return part

        wave = _WAVE * _threads.get_num_threads()
        for current in _waves(blocks(x.stored, axes), wave):
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
                    kernels.absorb(joined, part.states, block.channels, low, high, part.least, part.greatest)
                    part.states, part.least, part.greatest = joined, low, high
                shape = least[block.kept].shape
                size = ROWS_OF_STATE * block.channels
                states[rows] = part.states[:size].reshape(ROWS_OF_STATE, *shape)
                least[block.kept] = part.least[: block.channels].reshape(shape)
                greatest[block.kept] = part.greatest[: block.channels].reshape(shape)
        self._conclude(x, whole, 0, axes.channels)
        return whole.moments()

    def _map_staged(self, x: Operand, axes: Axes, transform: str, coefficients: np.ndarray, out: Operand) -> None:
        """Map copies of blocks and copy the results out."""
        knobs = coefficients.reshape(KNOBS, *axes.shape)
        source = x.stored.transpose(axes.kept + axes.reduced)
        target = out.stored.transpose(axes.kept + axes.reduced)

        def work(current: list[Block], begin: int, end: int) -> None:
            for block in current[begin:end]:
                piece = target[block.where]
                result = np.empty(piece.shape, out.storage)
                view = _staged(source[block.where], x.storage, block.channels)
                to = _as_channels(result, block.channels)
                knob = knobs[(slice(None), *block.kept)].ravel()
                self._map_units(x, view, to, transform, knob, 0, view.cut.blocks * view.cut.chunks)
                with np.errstate(all="ignore"):
                    np.copyto(piece, result, casting="same_kind")

        size = x.stored.nbytes + out.stored.nbytes
        for current in _waves(blocks(x.stored, axes), _MAP_WAVE):
            _threads.run(len(current), size, functools.partial(work, current))


def _waves(todo: Iterator[Block], size: int) -> Iterator[list[Block]]:
    """Lists of so many blocks: an array may have 10^5 of them."""
    while wave := list(itertools.islice(todo, size)):
        yield wave


def _common_views(x: Operand, out: Operand, axes: Axes) -> tuple[View, View] | None:
    """Direct views of both arrays (one and the same in place), if the kernels can walk them together."""
    if not (x.direct and out.direct):
        return None
    source = direct_view(x.stored, axes)
    if source is None or out.stored is x.stored:
        return source and (source, source)
    target = direct_view(out.stored, axes)
    return (source, target) if target and same_cut(source.cut, target.cut) else None


def _staged(piece: np.ndarray, storage: np.dtype, channels: int) -> View:
    """A contiguous native copy of a block whose first axes are the kept ones."""
    copy = np.empty(piece.shape, storage)
    np.copyto(copy, piece, casting="same_kind")
    return _as_channels(copy, channels)


def _as_channels(block: np.ndarray, channels: int) -> View:
    count = block.size // channels
    view = direct_view(block.reshape(channels, count), Axes((0,), (1,), (channels,), channels, count))
    assert view is not None
    return view


assert SCRATCH >= KNOBS * PITCH  # maps expand their coefficients into the same scratch

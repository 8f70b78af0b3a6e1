"""The schedule of every CPU backend: which thread takes which unit, what is fused, what is staged.

Design. A backend brings compiled kernels (``CompiledKernels``); this module walks them over an array. Where the array
can be seen as (outer, channel, inner), kernels work on it in place. Where it cannot (odd or negative strides, kept
axes which do not merge, byte-swapped or misaligned numbers, float16, which CPUs do not compute in), NumPy copies it
block by block into a small buffer, and the same kernels work on that. ``normalize`` reduces and maps one group of
channels after the other, so that the second read comes from cache (one read and one write of memory instead of two
and one), where such a group fits there.
"""

import functools
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np

from .. import _threads
from .._arrays import Operand, two_words
from .._kernels.sizes import KNOBS, PITCH, SCRATCH
from .._kernels.variants import EXACT_WORDS
from .._layout import Axes, Block, View, blocks, direct_view, same_cut
from . import MOMENT_ROWS, ExactSums, Interval, Moments
from .backward import Backward
from .blocks import as_channels, staged, waves
from .reduction import Reduction
from .scratch import scratch

_SLAB = 1 << 22  # bytes of a group of channels that may stay in cache between the two passes
_GROUP = 1 << 19  # small channels are handled together up to so many bytes, to save calls
_MAP_WAVE = 1024  # staged blocks whose places are held at a time


class CompiledKernels(Protocol):
    """What a CPU backend compiles."""

    def reduction(self, method: str, arithmetic: str, dtype: np.dtype) -> SimpleNamespace: ...
    def map(
        self, transform: str, arithmetic: str, dtype: np.dtype, output: np.dtype, place: str
    ) -> SimpleNamespace: ...
    def gradients(self, dtype: np.dtype) -> SimpleNamespace: ...
    @property
    def coefficients(self) -> SimpleNamespace: ...


class Host:
    """The verbs of ``Backend`` over compiled kernels."""

    def __init__(self, kernels: CompiledKernels) -> None:
        self._kernels = kernels

    def reduce_moments(self, x: Operand, axes: Axes) -> Moments:
        """Count, mean, m2 and extremes of every channel of a non-empty array."""
        return self._reduction("compensated", x.arithmetic, x.storage).whole(x, axes).result(MOMENT_ROWS)

    def reduce_exact(self, x: Operand, axes: Axes) -> ExactSums:
        """Exact sums and extremes of every channel of a non-empty array."""
        words = EXACT_WORDS[x.arithmetic]
        partials = self._reduction("exact", x.arithmetic, x.storage).whole(x, axes)
        return ExactSums(*partials.result(words.rows), words)

    @functools.cache  # noqa: B019 - one instance for the life of the process
    def _reduction(self, method: str, arithmetic: str, storage: np.dtype) -> Reduction:
        return Reduction(self._kernels.reduction(method, arithmetic, storage), method, arithmetic, storage)

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

    def update_running(
        self, moments: Moments, keep: float, take: float, ddof: int, mean: np.ndarray, var: np.ndarray
    ) -> None:
        """Move float64 running statistics towards the batch, in place."""
        self._kernels.coefficients.update_running(
            moments.state.reshape(-1), mean.size, keep, take, float(ddof), mean, var
        )

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
        reduction = self._reduction("compensated", x.arithmetic, x.storage)
        partials = reduction.partials(source.cut)
        coefficients = np.empty(KNOBS * source.cut.channels)

        def work(begin: int, end: int) -> None:
            for first in range(begin, end, group):
                last = min(first + group, end)
                low, high = first * source.cut.block, min(last * source.cut.block, source.cut.channels)
                reduction.units(source, partials, first * source.cut.segments, last * source.cut.segments)
                reduction.combine(source, partials, first, last)
                reduction.conclude(partials, low, high)
                self._kernels.coefficients.standardize(
                    partials.states, source.cut.channels, gamma, beta, eps, ddof, constant, coefficients, low, high
                )
                self._map_units(
                    x, source, target, transform, coefficients, first * source.cut.chunks, last * source.cut.chunks
                )

        _threads.run(source.cut.blocks, size, work)
        return partials.result(MOMENT_ROWS)

    def backward(
        self, x: Operand, dy: Operand, axes: Axes, moments: Moments, gamma: np.ndarray, eps: float, out: Operand | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gradients of gamma and beta, and that of x into ``out`` (as in training; not at all if it is None)."""
        work = Backward(self._kernels.gradients, moments, gamma, eps)
        work.run(x, dy, axes, out, 3 * _SLAB, _GROUP)
        return work.dgamma, work.dbeta

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
            scratch.lanes,
        )

    def _map_staged(self, x: Operand, axes: Axes, transform: str, coefficients: np.ndarray, out: Operand) -> None:
        """Map copies of blocks and copy the results out."""
        knobs = coefficients.reshape(KNOBS, *axes.shape)
        source = x.stored.transpose(axes.kept + axes.reduced)
        target = out.stored.transpose(axes.kept + axes.reduced)

        def work(current: list[Block], begin: int, end: int) -> None:
            for block in current[begin:end]:
                piece = target[block.where]
                result = np.empty(piece.shape, out.storage)
                view = staged(source[block.where], x.storage, block.channels)
                to = as_channels(result, block.channels)
                knob = knobs[(slice(None), *block.kept)].ravel()
                self._map_units(x, view, to, transform, knob, 0, view.cut.blocks * view.cut.chunks)
                with np.errstate(all="ignore"):
                    np.copyto(piece, result, casting="same_kind")

        size = x.stored.nbytes + out.stored.nbytes
        for current in waves(blocks(x.stored, axes), _MAP_WAVE):
            _threads.run(len(current), size, functools.partial(work, current))


def _common_views(x: Operand, out: Operand, axes: Axes) -> tuple[View, View] | None:
    """Direct views of both arrays (one and the same in place), if the kernels can walk them together."""
    if not (x.direct and out.direct):
        return None
    source = direct_view(x.stored, axes)
    if source is None or out.stored is x.stored:
        return source and (source, source)
    target = direct_view(out.stored, axes)
    return (source, target) if target and same_cut(source.cut, target.cut) else None


assert SCRATCH >= KNOBS * PITCH  # maps expand their coefficients into the same scratch

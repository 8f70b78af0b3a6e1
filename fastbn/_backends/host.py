"""The schedule of every CPU backend: which thread takes which unit, what is fused, what is staged.

Design. A backend brings compiled kernels (``CompiledKernels``); this module walks them over an array. Where the array
can be seen as (outer, channel, inner), kernels work on it in place. Where it cannot (odd or negative strides, kept
axes which do not merge, byte-swapped or misaligned numbers, masks), NumPy copies it block by block into a small buffer,
and the same kernels work on that. ``normalize_batch`` and ``backward`` reduce and map one group of channels after the
other, so that the second read comes from cache (one read and one write of memory instead of two and one), where such a
group fits there.
"""

import functools
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np

from .. import _threads
from .._algebra import add
from .._arrays import Operand, as_operand, two_words, widened
from .._caches import share_of_cache
from .._gradients import total
from .._kernels.reductions import EXACT_WORDS
from .._kernels.sizes import KNOBS
from .._kernels.sums import COUNTED, M2, M2_TAIL, MEAN, MEAN_TAIL
from .._kernels.variants import PAIRS
from .._layout import Axes
from .._running import put_together
from .._selection import Kept
from . import MOMENT_ROWS, ExactSums, Interval, Moments
from .copies import Copies
from .mapping import Mapping, target_of
from .reduction import Reduction
from .scratch import scratch
from .sources import Source, omitting, pair, single
from .weighted import weigh

# Threads that share the last cache, at least: one with all of it took 1.05 to 1.14 times the time.
_SHARING = 2
_GROUP = 1 << 21  # small channels are handled together up to so many bytes: 2^19 cost 1.1 to 1.3 times the time


class CompiledKernels(Protocol):
    """What a CPU backend compiles."""

    def reduction(self, method: str, arithmetic: str, dtype: np.dtype) -> SimpleNamespace: ...
    def map(
        self, transform: str, arithmetic: str, dtype: np.dtype, output: np.dtype, place: str
    ) -> SimpleNamespace: ...
    @property
    def coefficients(self) -> SimpleNamespace: ...
    @property
    def halves(self) -> SimpleNamespace: ...


class Host:
    """The verbs of ``Backend`` over compiled kernels."""

    slab = 1 << 19  # 2^17 values cost 1.1 to 1.5, 2^21 1.6 times the time of layer normalization

    def __init__(self, kernels: CompiledKernels) -> None:
        self._kernels = kernels
        self._copies = Copies(kernels)

    def reduce_moments(self, x: Operand, axes: Axes) -> Moments:
        """Count, mean, m2 and extremes of every channel of a non-empty array."""
        if x.selection is not None and x.selection.weights is not None:
            sums, squares = (self._reduction(name, "double", PAIRS["double"]) for name in ("gradients", "weighted"))
            return weigh(*self._reduction_of("compensated", x), sums, squares, axes)
        reduction, source = self._reduction_of("compensated", x)
        return reduction.whole(source, axes).result(MOMENT_ROWS)

    def reduce_exact(self, x: Operand, axes: Axes) -> ExactSums:
        """Exact sums and extremes of every channel of a non-empty array."""
        reduction, source = self._reduction_of("exact", x)
        words = EXACT_WORDS[source.arithmetic]
        sums = reduction.whole(source, axes).result(words.rows)
        return ExactSums(sums.state, sums.least, sums.greatest, words)

    def _reduction_of(self, method: str, x: Operand) -> tuple[Reduction, Source]:
        """How a method reduces an array, of which some values may not count."""
        if x.selection is None:
            return self._reduction(method, x.arithmetic, x.storage), single(x, self._copies)
        source = omitting(x, self._copies)
        return self._reduction(f"{method}_omitting", source.arithmetic, source.storage), source

    @functools.cache  # noqa: B019 - one instance for the life of the process
    def _reduction(self, method: str, arithmetic: str, storage: np.dtype) -> Reduction:
        return Reduction(self._kernels.reduction(method, arithmetic, storage), method, arithmetic, storage)

    @functools.cache  # noqa: B019
    def _mapping(self, transform: str, arithmetic: str, storage: np.dtype) -> Mapping:
        return Mapping(functools.partial(self._kernels.map, transform, arithmetic, storage))

    def standardize(
        self, moments: Moments, gamma: np.ndarray, beta: np.ndarray, eps: float, ddof: int, constant: float
    ) -> np.ndarray:
        """Coefficients of ``(x - mean) gamma / sqrt(var + eps) + beta``."""
        groups = moments.state.shape[1]
        coefficients = np.empty(KNOBS * gamma.size)
        self._kernels.coefficients.standardize(
            moments.state.reshape(-1),
            groups,
            gamma.size // groups,
            gamma,
            beta,
            eps,
            ddof,
            constant,
            coefficients,
            0,
            groups,
            scratch.lanes,
        )
        return coefficients

    def destandardize(self, moments: Moments, gamma: Any, beta: Any, eps: float, ddof: int) -> np.ndarray:
        """Coefficients of the inverse map."""
        channels = moments.state.shape[1]
        coefficients = np.empty(KNOBS * channels)
        self._kernels.coefficients.destandardize(
            moments.state.reshape(-1), channels, gamma, beta, eps, ddof, coefficients, 0, channels, scratch.lanes
        )
        return coefficients

    def rescale(self, moments: Moments, onto: Interval, least: float, constant: float) -> np.ndarray:
        """Coefficients of the map of a channel's extremes onto an interval.

        Results are at least ``least`` from the nearer end: 0 clips, minus infinity does not.
        """
        low, high = two_words(moments.least), two_words(moments.greatest)
        coefficients = np.empty(KNOBS * moments.least.size)
        self._kernels.coefficients.rescale(
            moments.state[0], moments.least.size, *low, *high, *onto, least, constant, coefficients, scratch.lanes
        )
        return coefficients

    def unscale(self, moments: Moments, interval: Interval) -> np.ndarray:
        """Coefficients of the inverse map."""
        low, high = two_words(moments.least), two_words(moments.greatest)
        coefficients = np.empty(KNOBS * moments.least.size)
        self._kernels.coefficients.unscale(
            moments.state[0], moments.least.size, *low, *high, *interval, coefficients, scratch.lanes
        )
        return coefficients

    def update_running(
        self, moments: Moments, keep: float, take: float, ddof: int, mean: np.ndarray, var: np.ndarray
    ) -> None:
        """Move running statistics of any float dtype towards the batch, in place and both in one step."""
        new = mean, var
        if not (mean.dtype == var.dtype == np.float64 and mean.flags.carray and var.flags.carray):
            new = widened(mean), widened(var)
        flat = new[0].reshape(-1), new[1].reshape(-1)
        self._kernels.coefficients.update_running(moments.state.reshape(-1), mean.size, keep, take, float(ddof), *flat)
        if new[0] is not mean:
            put_together([(mean, ..., new[0]), (var, ..., new[1])])

    def moments_of(self, mean: np.ndarray, var: np.ndarray) -> Moments:
        """Running statistics as the moments of one value per channel; their extremes are not known."""
        state = np.zeros((MOMENT_ROWS, mean.size))
        state[COUNTED] = 1.0
        with np.errstate(invalid="ignore"):  # a NaN may be a signalling one
            state[MEAN], state[M2] = mean.reshape(-1), var.reshape(-1)
        np.copyto(state[M2], np.nan, where=state[M2] < 0)
        unknown = np.full(mean.size, np.nan)
        return Moments(state, unknown, unknown)

    def without_means(self, moments: Moments) -> Moments:
        """Moments of data of which the mean was subtracted."""
        state = moments.state.copy()
        state[[MEAN, MEAN_TAIL]] = 0.0
        return moments._replace(state=state)

    def map_channels(
        self,
        x: Operand,
        axes: Axes,
        transform: str,
        coefficients: np.ndarray,
        out: Operand,
        kept: Kept | None = None,
    ) -> None:
        """Apply a transform of ``variants.TRANSFORMS`` with one set of coefficients per channel."""
        self._mapping(transform, x.arithmetic, x.storage).whole(single(x, self._copies), axes, coefficients, out, kept)

    def normalize_batch(
        self,
        x: Operand,
        axes: Axes,
        grouped: Operand,
        of_groups: Axes,
        transform: str,
        gamma: np.ndarray,
        beta: np.ndarray,
        eps: float,
        ddof: int,
        constant: float,
        out: Operand,
    ) -> Moments:
        """Reduce, and map with the result: group by group of channels where a group fits the cache."""
        reduction, reduced = self._reduction_of("compensated", grouped)
        mapping = self._mapping(transform, x.arithmetic, x.storage)
        members = axes.channels // of_groups.channels
        source, summed = reduced, reduced.view(of_groups)
        view = summed
        if grouped is not x or of_groups is not axes or x.selection is not None:
            source = single(x, self._copies)
            view = source.view(axes)
        target = view and target_of(view, source, axes, out)
        if view and summed and target:
            partials = reduction.partials(summed.cut)
            coefficients = np.empty(KNOBS * axes.channels)

            def work(low: int, high: int) -> None:
                first, last = low // members, high // members
                reduction.blocks(summed, partials, first // summed.cut.block, -(-last // summed.cut.block))
                self._kernels.coefficients.standardize(
                    partials.states,
                    of_groups.channels,
                    members,
                    gamma,
                    beta,
                    eps,
                    ddof,
                    constant,
                    coefficients,
                    first,
                    last,
                    scratch.lanes,
                )
                mapping.blocks(view, target, coefficients, low // view.cut.block, -(-high // view.cut.block))

            step = math.lcm(summed.cut.block * members, view.cut.block)
            if _by_slabs(axes.channels, step, source.nbytes + out.stored.nbytes, work):
                return partials.result(MOMENT_ROWS)
        moments = self.reduce_moments(grouped, of_groups)
        self.map_channels(x, axes, transform, self.standardize(moments, gamma, beta, eps, ddof, constant), out)
        return moments

    def room(self, size: int) -> np.ndarray:
        """Float64 numbers for work."""
        return np.empty(size)

    def copy(self, x: Operand, out: Operand) -> None:
        """Put an array into another of its shape, in that one's dtype."""
        with np.errstate(all="ignore"):  # a NaN may be a signalling one
            np.copyto(out.stored, x.stored, casting="same_kind")

    def run(self, count: int, size: int, work: Callable[[int, int], None]) -> None:
        """Do ``work`` for ranges of ``count`` claims, on arrays of so many bytes."""
        _threads.run(count, size, work)

    total = staticmethod(total)

    def _centred(self, x: Operand, axes: Axes, moments: Moments) -> tuple[Operand, Moments]:
        """64-bit integers as float64 differences from a whole number near their mean, exact up to 2^53."""
        about, state = moments.state.copy(), moments.state.copy()
        head, tail = moments.state[[MEAN, MEAN_TAIL]]
        whole = np.rint(head)
        with np.errstate(invalid="ignore"):  # a given mean may be infinite
            rest = np.rint((head - whole) + tail)
            state[[MEAN, MEAN_TAIL]] = np.where(np.isfinite(head), add(head, tail, -whole, -rest), 0.0)
        about[[MEAN, MEAN_TAIL]] = whole, rest
        about[[M2, M2_TAIL]] = 0.0
        one, zero = np.ones(axes.channels), np.zeros(axes.channels)
        centred = as_operand(np.empty_like(x.stored, np.float64))._replace(selection=x.selection)
        coefficients = self.standardize(moments._replace(state=about), one, zero, 1.0, 0, 1.0)
        self.map_channels(x, axes, "affine_words", coefficients, centred)
        return centred, moments._replace(state=state)

    def backward(
        self, x: Operand, dy: Operand, axes: Axes, moments: Moments, gamma: np.ndarray, eps: float, out: Operand | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gradients of gamma and beta, and that of x into ``out`` (as in training; not at all if it is None).

        Moments are those of groups of neighbouring channels, which may be single ones. What does not count of x has
        a gradient of 0.
        """
        groups, channels = moments.least.size, axes.channels
        members = channels // groups
        if x.arithmetic == "wide":
            x, moments = self._centred(x, axes, moments)
        source, state = pair(x, dy, self._copies), moments.state.reshape(-1)
        kept = Kept(x.selection, np.zeros(axes.shape)) if x.selection else None
        reduction = self._reduction("gradients", source.arithmetic, source.storage)
        mapping = self._mapping("gradient", source.arithmetic, source.storage)
        centre = moments.state[[MEAN, MEAN_TAIL]].repeat(members, axis=1)
        coefficients, dgamma, dbeta = np.empty(KNOBS * channels), np.empty(channels), np.empty(channels)

        def differentiate(sums: np.ndarray, low: int, high: int) -> None:
            results = dgamma, dbeta, coefficients
            self._kernels.coefficients.differentiate(
                sums, state, groups, members, gamma, eps, *results, low, high, scratch.lanes
            )

        view = source.view(axes)
        target = None if view is None or out is None else target_of(view, source, axes, out)
        if view and out is not None and target:
            summed = reduction.cut(view)
            partials = reduction.partials(summed.cut, centre)

            def work(low: int, high: int) -> None:
                first, last = low // view.cut.block, -(-high // view.cut.block)
                reduction.blocks(summed, partials, first, last)
                differentiate(partials.states, low // members, high // members)
                mapping.blocks(view, target, coefficients, first, last)

            step = math.lcm(view.cut.block, members)
            if _by_slabs(channels, step, source.nbytes + out.stored.nbytes, work):
                return dgamma, dbeta
        differentiate(reduction.whole(source, axes, centre).states, 0, groups)
        if out is not None:
            mapping.whole(source, axes, coefficients, out, kept)
        return dgamma, dbeta


def _by_slabs(channels: int, step: int, size: int, work: Callable[[int, int], None]) -> bool:
    """Do ``work`` for ranges of channels, multiples of ``step``, if what belongs to a step fits the cache.

    The arrays have so many bytes together.
    """
    if size <= _GROUP:
        work(0, channels)
        return True
    steps = -(-channels // step)
    if size // steps > share_of_cache(max(_SHARING, _threads.get_num_threads())):
        return False
    together = max(1, _GROUP * steps // size)

    def run(begin: int, end: int) -> None:
        for first in range(begin, end, together):
            work(first * step, min(min(first + together, end) * step, channels))

    _threads.run(steps, size, run)
    return True

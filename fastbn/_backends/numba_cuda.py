"""The ``cuda`` backend: kernels of blocks of threads, compiled by Numba, on arrays of a device.

Design. A call works beside its first argument: on that device, on the stream that is current there, in memory of the
same library. Nothing here waits for the device: statistics stay there until somebody looks at them. Arrays that the
kernels can walk are read where they are; others, and what masks say, go through copies of pieces (``cuda_pieces.py``).
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .._arrays import Operand, as_operand, two_words
from .._devices import OnDevice, Place, empty, empty_like
from .._kernels.gradients import SUM, SUM_2
from .._kernels.grid.places import END_ROWS, GREATEST, GREATEST_TAIL, LEAST, LEAST_TAIL
from .._kernels.reductions import EXACT_WORDS
from .._kernels.sizes import KNOBS
from .._layout import Axes, Block, split_axes
from .._selection import Kept, Selection
from . import MOMENT_ROWS, ExactSums, Found, Interval, cuda_kernels
from .cuda_kernels import ALONE, F8, THREADS, Map, Reduction
from .cuda_pieces import Stage, Walk, groups_of, sizes_of_copies, walk_of, walk_of_copies
from .device_moments import DeviceMoments, fetched_ends
from .grids import Grid, cut_grid, power


class Grids:
    """The verbs of ``Backend`` beside an array."""

    slab = 1 << 24  # values that are held in between, of layer normalization: 128 MiB of float64

    def __init__(self, place: Place) -> None:
        self._place = place
        self._stage = Stage(place)

    def _empty(self, *shape: int) -> OnDevice:
        return empty(shape, F8, self._place)

    def _vector(self, numbers: Any) -> OnDevice:
        """Numbers of channels as float64 on the device, in C order."""
        if isinstance(numbers, OnDevice):
            return self._stage.dense(numbers, numbers.dtype, F8).reshape(numbers.shape)
        return self._place.library.upload(np.ascontiguousarray(numbers, np.float64), self._place)

    def _state(self, moments: Found) -> OnDevice:
        """Moments on the device, rows of ``_kernels/sums.py``."""
        return moments.closed if isinstance(moments, DeviceMoments) else self._vector(moments.state)

    def _extremes(self, moments: Found) -> tuple[OnDevice, int, OnDevice, OnDevice, OnDevice, OnDevice]:
        """Counts, how many, and extremes in two words each."""
        state = self._state(moments)
        if isinstance(moments, DeviceMoments):
            ends = moments.ends
        else:
            ends = self._vector(np.array([*two_words(moments.least), *two_words(moments.greatest)]))
        return state[0], state.shape[1], ends[LEAST], ends[LEAST_TAIL], ends[GREATEST], ends[GREATEST_TAIL]

    def _of_channels(self, name: str, count: int, *arguments: Any) -> None:
        cuda_kernels.of_channels(name)(-(-count // ALONE), ALONE, self._place, *arguments)

    # Reductions

    def reduce_moments(self, x: Operand, axes: Axes) -> DeviceMoments:
        """Count, mean, m2 and extremes of every channel of a non-empty array."""
        if x.selection is not None and x.selection.weights is not None:
            return self._weighted(x, x.selection, axes)
        return DeviceMoments(*self._sums(cuda_kernels.moments, x, axes), x.storage)

    def reduce_exact(self, x: Operand, axes: Axes) -> ExactSums:
        """Exact sums and extremes of every channel of a non-empty array, on the host: waits for the device."""
        closed, ends = self._sums(cuda_kernels.exact_sums, x, axes)
        state = closed.place.library.host(closed)
        return ExactSums(state, *fetched_ends(ends, x.storage), EXACT_WORDS[x.arithmetic])

    def _sums(self, method: Callable[..., Reduction], x: Operand, axes: Axes) -> tuple[OnDevice, OnDevice]:
        """Sums and extremes by a method of an array of which some values may not count."""
        selection = x.selection
        counts = "all" if selection is None else "marked" if selection.marked else "numbers"
        kernels = method(x.arithmetic, x.storage, counts)

        def copies(block: Block) -> tuple[np.ndarray, np.ndarray]:
            values = self._stage.copy(x.stored, axes, block, x.storage, x.storage)
            return values, self._stage.marks(x.stored, selection, axes, block) if counts == "marked" else values  # type: ignore[arg-type]

        walk = None if counts == "marked" else walk_of((x.stored,), axes)
        return self._reduced(kernels, x.stored, axes, walk, copies, x.storage.itemsize + 1, None)

    def _weighted(self, x: Operand, selection: Selection, axes: Axes) -> DeviceMoments:
        """Moments of weighted data: about 0 for the mean, then about that mean."""
        kernels = cuda_kernels.weighted(x.storage)

        def copies(block: Block) -> tuple[np.ndarray, np.ndarray]:
            marks = self._stage.marks(x.stored, selection, axes, block)
            values = self._stage.copy(x.stored, axes, block, x.storage, x.storage)
            return values, self._stage.weights(selection, axes, block, marks)

        centre = self._vector(np.zeros((MOMENT_ROWS, axes.channels)))
        for _ in range(2):
            centre, ends = self._reduced(kernels, x.stored, axes, None, copies, x.storage.itemsize + 9, centre)
        if selection.scale != 1.0:
            self._of_channels("scale_weights", axes.channels, centre, axes.channels, 1.0 / selection.scale)
        return DeviceMoments(centre, ends, x.storage, weighted=True)

    def total(
        self, parts: Iterable[list[tuple[np.ndarray, np.ndarray]]], channels: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sums over everything but the channels, which come last, of gradients of gamma and beta."""
        words: tuple[list[np.ndarray], list[np.ndarray]] = [], []
        for some in parts:
            for pair in some:
                for found, vector in zip(words, pair, strict=True):
                    found.append(self._sum_of_rows(vector.reshape(-1, channels)))
        dgamma, dbeta = (self._rounded(found, channels) for found in words)
        return dgamma, dbeta

    def _sum_of_rows(self, rows: np.ndarray) -> np.ndarray:
        """In two words, (2, channels)."""
        axes = split_axes(rows.shape, 1)
        walk = walk_of((rows, rows), axes)
        centre = self._vector(np.zeros((MOMENT_ROWS, axes.channels)))
        closed, _ = self._reduced(cuda_kernels.gradients_of(F8, F8), rows, axes, walk, _never, 16, centre)
        return closed[SUM : SUM_2 + 1]

    def _rounded(self, words: list[np.ndarray], channels: int) -> OnDevice:
        """Sums of words of channels, in one."""
        rows = self._empty(2 * len(words), channels)
        for k, pair in enumerate(words):
            self._stage.spread(pair, F8, rows[2 * k : 2 * k + 2])
        total = words[0] if len(words) == 1 else self._sum_of_rows(rows)
        return self._stage.dense(total[0], F8, F8)

    def _reduced(
        self,
        kernels: Reduction,
        array: np.ndarray,
        axes: Axes,
        walk: Walk | None,
        copies: Callable[[Block], tuple[np.ndarray, np.ndarray]],
        itemsize: int,
        centre: np.ndarray | None,
    ) -> tuple[OnDevice, OnDevice]:
        """Sums and extremes of arrays where they are, or of copies of pieces; ``centre`` is what groups have."""
        if walk is not None:
            grid = cut_grid(walk.sizes, kernels.threads)
            parts = self._parts(kernels, grid.slots, axes.channels)
            self._reduce(kernels, walk, grid, centre, *parts)
            return self._closed(kernels, *parts, centre)
        if centre is not None and centre.shape[1] < axes.channels:
            each = np.broadcast_to(centre[..., np.newaxis], (*centre.shape, axes.channels // centre.shape[1]))
            centre = self._vector(each).reshape(len(centre), axes.channels)
        closed: list[OnDevice] = []
        for group in groups_of(array, axes, itemsize):
            here = (slice(None), *group.kept)
            about = centre
            if centre is not None and group.channels < axes.channels:
                rows = centre.reshape(-1, *axes.shape)[here]
                about = self._vector(rows).reshape(len(centre), group.channels)
            grids = [cut_grid(sizes_of_copies(b.size, group.channels), kernels.threads) for b in group.pieces]
            parts = self._parts(kernels, sum(grid.slots for grid in grids), group.channels)
            first = 0
            for block, grid in zip(group.pieces, grids, strict=True):
                walk = walk_of_copies(*copies(block), group.channels)
                self._reduce(kernels, walk, grid, about, *(part[first:] for part in parts))
                first += grid.slots
            found = self._closed(kernels, *parts, about)
            if group.channels == axes.channels:
                return found
            closed = closed or [empty((len(part), axes.channels), part.dtype, self._place) for part in found]
            for whole, part in zip(closed, found, strict=True):
                self._stage.spread(part, part.dtype, whole.reshape(-1, *axes.shape)[here])
        return closed[0], closed[1]

    def _parts(self, kernels: Reduction, slots: int, channels: int) -> tuple[OnDevice, OnDevice]:
        """Room for slots and their extremes."""
        words = empty((slots, kernels.slot_rows, channels), kernels.word, self._place)
        return words, self._empty(slots, END_ROWS, channels)

    def _reduce(
        self, kernels: Reduction, walk: Walk, grid: Grid, centre: np.ndarray | None, parts: np.ndarray, ends: np.ndarray
    ) -> None:
        _, channels, inner, stride, jump = walk.sizes
        state, groups = (ends, channels) if centre is None else (centre, centre.shape[1])
        sizes = (channels, inner, stride, jump, grid.length, grid.splits, grid.share, grid.together)
        arguments = (walk.x, walk.y, *sizes, state, groups, channels // groups, parts, ends)
        (kernels.rows if grid.along_rows else kernels.columns)(grid.blocks, kernels.threads, self._place, *arguments)

    def _closed(
        self, kernels: Reduction, parts: np.ndarray, ends: np.ndarray, centre: np.ndarray | None
    ) -> tuple[OnDevice, OnDevice]:
        """Fold the slots of each channel."""
        slots, _, channels = parts.shape
        closed = empty((kernels.closed_rows, channels), kernels.word, self._place)
        closed_ends = self._empty(END_ROWS, channels)
        lanes = power(slots, kernels.closing)
        state, groups = (ends, channels) if centre is None else (centre, centre.shape[1])
        arguments = (parts, ends, channels, slots, lanes, state, groups, channels // groups, closed, closed_ends)
        kernels.close(-(-channels // (kernels.closing // lanes)), kernels.closing, self._place, *arguments)
        return closed, closed_ends

    # Coefficients

    def standardize(
        self, moments: Found, gamma: np.ndarray, beta: np.ndarray, eps: float, ddof: int, constant: float
    ) -> np.ndarray:
        """Coefficients of ``(x - mean) gamma / sqrt(var + eps) + beta``."""
        state = self._state(moments)
        groups, coefficients = state.shape[1], self._empty(KNOBS * gamma.size)
        scale, shift = self._vector(gamma), self._vector(beta)
        members, numbers = gamma.size // groups, (eps, float(ddof), constant)
        self._of_channels("standardize_channels", groups, state, groups, members, scale, shift, *numbers, coefficients)
        return coefficients

    def destandardize(self, moments: Found, gamma: Any, beta: Any, eps: float, ddof: int) -> np.ndarray:
        """Coefficients of the inverse map."""
        state = self._state(moments)
        channels, coefficients = state.shape[1], self._empty(KNOBS * gamma.size)
        scale, shift = self._vector(gamma), self._vector(beta)
        self._of_channels(
            "destandardize_channels", channels, state, channels, scale, shift, eps, float(ddof), coefficients
        )
        return coefficients

    def rescale(self, moments: Found, onto: Interval, least: float, constant: float) -> np.ndarray:
        """Coefficients of the map of a channel's extremes onto an interval."""
        ends = self._extremes(moments)
        channels, coefficients = ends[1], self._empty(KNOBS * ends[1])
        self._of_channels("rescale_channels", channels, *ends, *onto, least, constant, coefficients)
        return coefficients

    def unscale(self, moments: Found, interval: Interval) -> np.ndarray:
        """Coefficients of the inverse map."""
        ends = self._extremes(moments)
        channels, coefficients = ends[1], self._empty(KNOBS * ends[1])
        self._of_channels("unscale_channels", channels, *ends, *interval, coefficients)
        return coefficients

    # Running statistics

    def update_running(
        self, moments: Found, keep: float, take: float, ddof: int, mean: np.ndarray, var: np.ndarray
    ) -> None:
        """Move running statistics of any float dtype towards the batch, in place."""
        state = self._state(moments)
        new = self._vector(mean), self._vector(var)
        self._of_channels("update_running_channels", mean.size, state, mean.size, keep, take, float(ddof), *new)
        for numbers, running in zip(new, (mean, var), strict=True):
            self._stage.spread(numbers, F8, running)

    def moments_of(self, mean: np.ndarray, var: np.ndarray) -> DeviceMoments:
        """Running statistics as the moments of one value per channel."""
        state = self._empty(MOMENT_ROWS, mean.size)
        self._of_channels("state_of", mean.size, self._vector(mean), self._vector(var), mean.size, state)
        return DeviceMoments(state, self._vector(np.full((END_ROWS, mean.size), np.nan)), F8)

    def without_means(self, moments: Found) -> DeviceMoments:
        """Moments of data of which the mean was subtracted."""
        state = self._state(moments)
        centred = self._empty(*state.shape)
        self._of_channels("drop_means", state.shape[1], state, state.shape[1], centred)
        return DeviceMoments(centred, centred, F8)

    # Work in between

    def room(self, size: int) -> OnDevice:
        """Float64 numbers for work."""
        return self._empty(size)

    def copy(self, x: Operand, out: Operand) -> None:
        """Put an array into another of its shape, in that one's dtype."""
        if out.direct and out.stored.flags.c_contiguous:
            self._stage.into(x.stored, x.storage, out.stored)
        else:
            self._stage.spread(self._stage.dense(x.stored, x.storage, out.storage), out.storage, out.stored)

    def run(self, count: int, size: int, work: Callable[[int, int], None]) -> None:  # noqa: ARG002
        """Do ``work``: one thing after the other, for the device does each on all of itself."""
        work(0, count)

    # Maps

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
        self._map((x,), axes, transform, coefficients, out, kept)

    def _map(
        self, xs: tuple[Operand, ...], axes: Axes, transform: str, coefficients: Any, out: Operand, kept: Kept | None
    ) -> None:
        """Map an array, or a pair of them."""
        x, y = xs[0], xs[-1]
        walk = walk_of(tuple(operand.stored for operand in xs), axes)
        target = walk_of((out.stored,), axes) if out.direct and kept is None else None
        kernels = cuda_kernels.mapping(transform, x.arithmetic, x.storage, y.storage, out.storage)
        if walk and target and walk.order == target.order and walk.sizes[:3] == target.sizes[:3]:
            self._launch(kernels, walk, target, coefficients)
            return
        size = sum(operand.storage.itemsize for operand in (*xs, out)) + 1
        for group in groups_of(x.stored, axes, size):
            knobs = self._vector(coefficients.reshape(KNOBS, *axes.shape)[(slice(None), *group.kept)])
            for block in group.pieces:
                copies = [self._stage.copy(z.stored, axes, block, z.storage, z.storage) for z in xs]
                marks = None if kept is None else self._stage.marks(x.stored, kept.selection, axes, block)
                walk = walk_of_copies(copies[0], copies[-1], group.channels)
                made = empty((block.size,), out.storage, self._place)
                self._launch(kernels, walk, walk_of_copies(made, made, group.channels), knobs.reshape(-1))
                if kept is not None and marks is not None:
                    self._stage.keep(made, marks, kept.values, block)
                self._stage.put(made, out.storage, out.stored, axes, block)

    def _launch(self, kernels: Map, walk: Walk, target: Walk, coefficients: np.ndarray) -> None:
        _, channels, inner, stride, jump = walk.sizes
        grid = cut_grid(walk.sizes, THREADS)
        strides = (inner, stride, jump, *target.sizes[3:])
        cuts = (grid.length, grid.splits, grid.share, grid.together)
        arguments = (walk.x, walk.y, target.x, channels, *strides, *cuts, coefficients)
        (kernels.rows if grid.along_rows else kernels.columns)(grid.blocks, THREADS, self._place, *arguments)

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
    ) -> DeviceMoments:
        """Reduce, and map with the result."""
        moments = self.reduce_moments(grouped, of_groups)
        self.map_channels(x, axes, transform, self.standardize(moments, gamma, beta, eps, ddof, constant), out)
        return moments

    def _centred(self, x: Operand, axes: Axes, moments: Found) -> tuple[Operand, DeviceMoments]:
        """64-bit integers as float64 differences from their mean, in an array of their size."""
        state = self._state(moments)
        groups, coefficients = state.shape[1], self._empty(KNOBS * axes.channels)
        members = axes.channels // groups
        self._of_channels("take_means", axes.channels, state, groups, members, coefficients)
        assert isinstance(x.stored, OnDevice)
        made = self._place.library.beside_of(empty_like(x.stored, F8), self._place)
        centred = as_operand(made)._replace(selection=x.selection)
        self.map_channels(x, axes, "affine_words", coefficients, centred)
        return centred, self.without_means(moments)

    def backward(
        self, x: Operand, dy: Operand, axes: Axes, moments: Found, gamma: np.ndarray, eps: float, out: Operand | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gradients of gamma and beta, and that of x into ``out`` (as in training; not at all if it is None)."""
        if x.arithmetic == "wide":
            x, moments = self._centred(x, axes, moments)
        state, selection, channels = self._state(moments), x.selection, axes.channels
        groups = state.shape[1]
        kernels = cuda_kernels.gradients_of(x.storage, dy.storage)
        walk = walk_of((x.stored, dy.stored), axes) if selection is None else None
        nothing = np.zeros(axes.shape)

        def copies(block: Block) -> tuple[np.ndarray, np.ndarray]:
            values = self._stage.copy(x.stored, axes, block, x.storage, x.storage)
            gradient = self._stage.copy(dy.stored, axes, block, dy.storage, dy.storage)
            if selection is not None:
                marks = self._stage.marks(x.stored, selection, axes, block)
                self._stage.keep(values, marks, nothing, block)
                self._stage.keep(gradient, marks, nothing, block)
            return values, gradient

        size = x.storage.itemsize + dy.storage.itemsize + 1
        sums, _ = self._reduced(kernels, x.stored, axes, walk, copies, size, state)
        dgamma, dbeta = empty(axes.shape, F8, self._place), empty(axes.shape, F8, self._place)
        coefficients = self._empty(KNOBS * channels)
        vectors = self._vector(gamma), eps, dgamma, dbeta, coefficients
        self._of_channels("differentiate_channels", groups, sums, state, groups, channels // groups, *vectors)
        if out is not None:
            kept = None if selection is None else Kept(selection, nothing)
            self._map((x, dy), axes, "gradient", coefficients, out, kept)
        return dgamma, dbeta


def _never(block: Block) -> tuple[OnDevice, OnDevice]:
    raise AssertionError(f"an array was to be cut at {block}")


def beside(place: Place) -> Grids:
    """The backend beside an array."""
    return Grids(place)

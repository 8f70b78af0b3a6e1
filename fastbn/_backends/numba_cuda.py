"""The ``cuda`` backend: kernels of blocks of threads, compiled by Numba, on arrays of a device.

Design. A call works beside its first argument: on that device, on the stream that is current there, in memory of the
same library. Nothing here waits for the device: statistics stay there until somebody looks at them. Arrays that the
kernels can walk are read where they are; others, and what masks say, go through copies of pieces (``cuda_pieces.py``).
"""

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from .._accumulators import accumulators
from .._arrays import Operand, as_operand, two_words
from .._devices import OnDevice, Place, empty, empty_like
from .._kernels.gradients import SUM, SUM_2
from .._kernels.grid.places import CLOSED_ROWS, END_ROWS, GREATEST, GREATEST_TAIL, LEAST, LEAST_TAIL
from .._kernels.reductions import EXACT_WORDS
from .._kernels.sizes import KNOBS
from .._layout import Axes, Block, split_axes
from .._selection import Kept, Selection
from . import MOMENT_ROWS, ExactSums, Found, Interval, cuda_kernels
from ._cuda_machine import Launches, ratio_of
from .cuda_kernels import ALONE, F8, THREADS, Map, Reduction
from .cuda_pieces import Stage, Walk, groups_of, walk_of, walk_of_copies
from .cuda_reductions import Reducer
from .device_moments import DeviceMoments, ends_of, extremes
from .grids import cut_grid

_MOMENTS = {"float64": cuda_kernels.moments, "float32": cuda_kernels.narrow_moments}

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _launched(
    verb: Callable[Concatenate["Grids", _Arguments], _Result],
) -> Callable[Concatenate["Grids", _Arguments], _Result]:
    """A verb whose kernels are launched when it is done."""

    @functools.wraps(verb)
    def call(self: "Grids", *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with self._launches:
            return verb(self, *args, **kwargs)

    return call  # type: ignore[return-value]  # `functools.wraps` has a type of its own


class Grids:
    """The verbs of ``Backend`` beside an array."""

    slab = 1 << 24  # values that are held in between, of layer normalization: 128 MiB of float64

    def __init__(self, place: Place) -> None:
        self._place = place
        self._launches = Launches(place)
        self._stage = Stage(place, self._launches)
        self._reducer = Reducer(place, self._stage, self._launches)

    def _empty(self, *shape: int) -> OnDevice:
        return empty(shape, F8, self._place)

    def _state(self, moments: Found) -> OnDevice:
        """Moments on the device, rows of ``_kernels/sums.py``."""
        return moments.closed if isinstance(moments, DeviceMoments) else self._stage.vector(moments.state)

    def _extremes(self, moments: Found) -> tuple[OnDevice, int, OnDevice, OnDevice, OnDevice, OnDevice]:
        """Counts, how many, and extremes in two words each."""
        state = self._state(moments)
        if isinstance(moments, DeviceMoments):
            ends = ends_of(moments.closed)
        else:
            ends = self._stage.vector(np.array([*two_words(moments.least), *two_words(moments.greatest)]))
        return state[0], state.shape[1], ends[LEAST], ends[LEAST_TAIL], ends[GREATEST], ends[GREATEST_TAIL]

    def _of_channels(self, name: str, count: int, *arguments: Any) -> None:
        self._launches.add(cuda_kernels.of_channels(name), -(-count // ALONE), ALONE, *arguments)

    # Reductions

    @_launched
    def reduce_moments(self, x: Operand, axes: Axes) -> DeviceMoments:
        """Count, mean, m2 and extremes of every channel of a non-empty array."""
        if x.selection is not None and x.selection.weights is not None:
            return self._weighted(x, x.selection, axes)
        kernels = _MOMENTS[accumulators(ratio_of(self._place.device))]
        return DeviceMoments(self._sums(kernels, x, axes), x.storage)

    def reduce_exact(self, x: Operand, axes: Axes) -> ExactSums:
        """Exact sums and extremes of every channel of a non-empty array, on the host: waits for the device."""
        with self._launches:
            closed = self._sums(cuda_kernels.exact_sums, x, axes)
        rows = closed.place.library.host(closed)
        return ExactSums(rows[:-END_ROWS], *extremes(ends_of(rows), x.storage), EXACT_WORDS[x.arithmetic])

    def _sums(self, method: Callable[..., Reduction], x: Operand, axes: Axes) -> OnDevice:
        """Sums and extremes by a method of an array of which some values may not count."""
        selection = x.selection
        counts = "all" if selection is None else "marked" if selection.marked else "numbers"
        kernels = method(x.arithmetic, x.storage, counts)

        def copies(block: Block) -> tuple[np.ndarray, np.ndarray]:
            values = self._stage.copy("x", x.stored, axes, block, x.storage)
            return values, self._stage.marks(x.stored, selection, axes, block) if counts == "marked" else values  # type: ignore[arg-type]

        walk = None if counts == "marked" else walk_of((x.stored,), axes)
        return self._reducer.reduced(kernels, x.stored, axes, walk, copies, x.storage.itemsize + 1, None)

    def _weighted(self, x: Operand, selection: Selection, axes: Axes) -> DeviceMoments:
        """Moments of weighted data: about 0 for a centre, then about that."""
        kernels = cuda_kernels.weighted(x.storage)

        def copies(block: Block) -> tuple[np.ndarray, np.ndarray]:
            marks = self._stage.marks(x.stored, selection, axes, block)
            values = self._stage.copy("x", x.stored, axes, block, x.storage)
            return values, self._stage.weights(selection, axes, block, marks)

        centre = self._stage.vector(np.zeros((CLOSED_ROWS, axes.channels)))
        for _ in range(2):
            centre = self._reducer.reduced(kernels, x.stored, axes, None, copies, x.storage.itemsize + 9, centre)
        if selection.scale != 1.0:
            self._of_channels("scale_weights", axes.channels, centre, axes.channels, 1.0 / selection.scale)
        return DeviceMoments(centre, x.storage, weighted=True)

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

    @_launched
    def _sum_of_rows(self, rows: np.ndarray) -> np.ndarray:
        """In two words, (2, channels)."""
        axes = split_axes(rows.shape, 1)
        walk = walk_of((rows, rows), axes)
        centre = self._stage.vector(np.zeros((MOMENT_ROWS, axes.channels)))
        closed = self._reducer.reduced(cuda_kernels.gradients_of(F8, F8), rows, axes, walk, _never, 16, centre)
        return closed[SUM : SUM_2 + 1]

    @_launched
    def _rounded(self, words: list[np.ndarray], channels: int) -> OnDevice:
        """Sums of words of channels, in one."""
        rows = self._empty(2 * len(words), channels)
        for k, pair in enumerate(words):
            self._stage.spread(pair, F8, rows[2 * k : 2 * k + 2])
        total = words[0] if len(words) == 1 else self._sum_of_rows(rows)
        return self._stage.dense(total[0], F8, F8)

    # Coefficients

    @_launched
    def standardize(
        self, moments: Found, gamma: np.ndarray, beta: np.ndarray, eps: float, ddof: int, constant: float
    ) -> np.ndarray:
        """Coefficients of ``(x - mean) gamma / sqrt(var + eps) + beta``."""
        state = self._state(moments)
        groups, coefficients = state.shape[1], self._stage.scratch(KNOBS * gamma.size)
        scale, shift = self._stage.vector(gamma), self._stage.vector(beta)
        members, numbers = gamma.size // groups, (eps, float(ddof), constant)
        self._of_channels("standardize_channels", groups, state, groups, members, scale, shift, *numbers, coefficients)
        return coefficients

    @_launched
    def destandardize(self, moments: Found, gamma: Any, beta: Any, eps: float, ddof: int) -> np.ndarray:
        """Coefficients of the inverse map."""
        state = self._state(moments)
        channels, coefficients = state.shape[1], self._stage.scratch(KNOBS * gamma.size)
        scale, shift = self._stage.vector(gamma), self._stage.vector(beta)
        self._of_channels(
            "destandardize_channels", channels, state, channels, scale, shift, eps, float(ddof), coefficients
        )
        return coefficients

    @_launched
    def rescale(self, moments: Found, onto: Interval, least: float, constant: float) -> np.ndarray:
        """Coefficients of the map of a channel's extremes onto an interval."""
        ends = self._extremes(moments)
        channels, coefficients = ends[1], self._stage.scratch(KNOBS * ends[1])
        self._of_channels("rescale_channels", channels, *ends, *onto, least, constant, coefficients)
        return coefficients

    @_launched
    def unscale(self, moments: Found, interval: Interval) -> np.ndarray:
        """Coefficients of the inverse map."""
        ends = self._extremes(moments)
        channels, coefficients = ends[1], self._stage.scratch(KNOBS * ends[1])
        self._of_channels("unscale_channels", channels, *ends, *interval, coefficients)
        return coefficients

    # Running statistics

    @_launched
    def update_running(
        self, moments: Found, keep: float, take: float, ddof: int, mean: np.ndarray, var: np.ndarray
    ) -> None:
        """Move running statistics of any float dtype towards the batch, in place."""
        state = self._state(moments)
        new = self._stage.vector(mean), self._stage.vector(var)
        self._of_channels("update_running_channels", mean.size, state, mean.size, keep, take, float(ddof), *new)
        for numbers, running in zip(new, (mean, var), strict=True):
            self._stage.spread(numbers, F8, running)

    @_launched
    def moments_of(self, mean: np.ndarray, var: np.ndarray) -> DeviceMoments:
        """Running statistics as the moments of one value per channel."""
        # No extremes.
        state = self._stage.filled(self._empty(MOMENT_ROWS + END_ROWS, mean.size), math.nan)
        self._of_channels("state_of", mean.size, self._stage.vector(mean), self._stage.vector(var), mean.size, state)
        return DeviceMoments(state, F8)

    @_launched
    def without_means(self, moments: Found) -> DeviceMoments:
        """Moments of data of which the mean was subtracted."""
        state = self._state(moments)
        centred = self._stage.filled(self._empty(MOMENT_ROWS + END_ROWS, state.shape[1]), math.nan)
        self._of_channels("drop_means", state.shape[1], state, state.shape[1], centred)
        return DeviceMoments(centred, F8)

    # Work in between

    def room(self, size: int) -> OnDevice:
        """Float64 numbers for work."""
        return self._empty(size)

    @_launched
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

    @_launched
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
            knobs = self._stage.vector(coefficients.reshape(KNOBS, *axes.shape)[(slice(None), *group.kept)])
            for block in group.pieces:
                copies = [
                    self._stage.copy(purpose, z.stored, axes, block, z.storage)
                    for purpose, z in zip(("x", "dy"), xs, strict=False)
                ]
                marks = None if kept is None else self._stage.marks(x.stored, kept.selection, axes, block)
                walk = walk_of_copies(copies[0], copies[-1], group.channels)
                made = self._stage.room("out", block.size, out.storage)
                self._launch(kernels, walk, walk_of_copies(made, made, group.channels), knobs.reshape(-1))
                if kept is not None and marks is not None:
                    self._stage.keep(made, marks, kept.values, block)
                self._stage.put(made, out.storage, out.stored, axes, block)

    def _launch(self, kernels: Map, walk: Walk, target: Walk, coefficients: np.ndarray) -> None:
        _, channels, inner, stride, jump = walk.sizes
        grid = cut_grid(walk.sizes, THREADS, kernels.values)
        geometry: tuple[Any, ...] = (walk.x, walk.y, target.x, channels, inner, stride, jump, *target.sizes[3:])
        if grid.along_rows:
            walks, values = (walk, target), kernels.values
            geometry += tuple(int(all(ask(w, values) for w in walks)) for ask in (Walk.beside, Walk.aligned))
        cuts = (grid.length, grid.splits, grid.share, grid.together)
        kernel = kernels.rows if grid.along_rows else kernels.columns
        self._launches.add(kernel, grid.blocks, THREADS, *geometry, *cuts, coefficients)

    @_launched
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
        groups, coefficients = state.shape[1], self._stage.scratch(KNOBS * axes.channels)
        members = axes.channels // groups
        self._of_channels("take_means", axes.channels, state, groups, members, coefficients)
        assert isinstance(x.stored, OnDevice)
        made = self._place.library.beside_of(empty_like(x.stored, F8), self._place)
        centred = as_operand(made)._replace(selection=x.selection)
        self.map_channels(x, axes, "affine_words", coefficients, centred)
        return centred, self.without_means(moments)

    @_launched
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
            values = self._stage.copy("x", x.stored, axes, block, x.storage)
            gradient = self._stage.copy("dy", dy.stored, axes, block, dy.storage)
            if selection is not None:
                marks = self._stage.marks(x.stored, selection, axes, block)
                self._stage.keep(values, marks, nothing, block)
                self._stage.keep(gradient, marks, nothing, block)
            return values, gradient

        size = x.storage.itemsize + dy.storage.itemsize + 1
        sums = self._reducer.reduced(kernels, x.stored, axes, walk, copies, size, state)
        dgamma, dbeta = empty(axes.shape, F8, self._place), empty(axes.shape, F8, self._place)
        coefficients = self._stage.scratch(KNOBS * channels)
        vectors = self._stage.vector(gamma), eps, dgamma, dbeta, coefficients
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

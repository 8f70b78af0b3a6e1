"""Weighted moments: rounds over all blocks, each giving sums of pairs that the backward pass takes as well.

A round gives ``W = sum(w)``, ``sum(w d)`` and ``sum(w d d)``, where ``d = x - K``. Then ``mean = K + sum(w d) / W`` and
``m2 = sum(w d d) - sum(w d)^2 / W``, unless too much of that cancels. In the first round K is near the values of
channels whose values are near each other, else 0, and d is one word. Is that not exact, or does too much cancel, then
K is the mean just found, rounded: no value can be nearer to the mean than that, so little cancels, whatever the
weights. Such differences are taken in two words.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._algebra import add, divide_words, multiply_words, range_scale, two_sum
from .._arrays import two_words
from .._kernels.gradients import PRODUCT, PRODUCT_2, SUM, SUM_2
from .._kernels.sums import add_words
from .._layout import Axes, Block, View, cut_kept, split_axes
from .._merging import no_extremes
from .._selection import Selection
from . import Moments
from .reduction import Reduction
from .sources import Source, in_order, view_of

Words = tuple[np.ndarray, np.ndarray]
Take = Callable[[np.ndarray, Any], Words]  # from values, in place, given the place of their channels: differences
_REMAINS = 2.0**-30  # of a sum of squares: the sums that a lane adds up in two words have errors of 2^-88
_LEAST = 2.0**-800  # of such a sum: no product was too small to have its error
_CHANNELS = 1 << 13  # at a time: each takes some 400 bytes
_SAMPLES = 16  # of a channel, to see whether values are near each other: 4 would often be so by chance
_MORE_ROUNDS = 2  # the first of which may have to find a mean
_WHOLE = 2.0**53  # differences of integers up to here are one word


class _Part(NamedTuple):
    """What a block, or all of them so far, say about some channels."""

    state: np.ndarray  # nine rows: three sums in three words each
    counted: np.ndarray
    least: np.ndarray
    greatest: np.ndarray

    def select(self, kept: tuple[slice, ...]) -> "_Part":
        index: Any = (..., *kept)
        return _Part(*(array[index] for array in self))


class _Centre(NamedTuple):
    """What differences are taken from, in two words, after values were multiplied by a power of two."""

    head: np.ndarray
    tail: np.ndarray
    scale: np.ndarray


class _Found(NamedTuple):
    """What a round says about every channel: all of it flat, the moments of scaled values."""

    weight: Words
    mean: Words
    m2: Words
    squares: np.ndarray
    counted: np.ndarray
    least: np.ndarray  # +0 for -0; 0 if nothing counts
    greatest: np.ndarray

    def ends(self) -> list[np.ndarray]:
        return [two_sum(*two_words(end))[0] for end in (self.least, self.greatest)]

    def enough(self) -> np.ndarray:
        """Where m2 did not cancel, or is known without."""
        known = (self.least == self.greatest) | ~np.isfinite(self.ends()).all(axis=0)
        return np.asarray(known | (self.m2[0] >= _REMAINS * self.squares))

    def scale(self) -> np.ndarray:
        """What brings values to where their squares are normal, if they are not as they stand, with their weights."""
        magnitude = np.abs(self.ends()).max(axis=0)
        normal = (self.squares >= _LEAST) & np.isfinite(self.squares)
        return np.where(normal | ~np.isfinite(magnitude) | (magnitude == 0.0), 1.0, range_scale(magnitude))

    def centre(self, exact: np.ndarray, before: np.ndarray) -> _Centre:
        """The mean, rounded to what the data can hold; 0 where differences were not exact, or not of scaled values."""
        scale = self.scale()
        usable = exact & np.isfinite(self.mean[0]) & (scale == before)
        head, tail = (np.where(usable, word, 0.0) for word in self.mean)
        if self.least.dtype.kind == "f":
            return _Centre(head, np.zeros_like(tail), scale)
        whole = np.rint(head)
        return _Centre(whole, np.rint((head - whole) + tail), scale)


def weigh(extremes: Reduction, source: Source, sums: Reduction, squares: Reduction, axes: Axes) -> Moments:
    """Moments of every channel of a non-empty array with weights; some channels at a time, for their working memory."""
    array, selection = source.arrays[0], source.selection
    assert selection is not None
    if not array.ndim:  # of which NumPy's arithmetic makes numbers
        array, selection = array.reshape(1), selection.with_an_axis()
        source, axes = source._replace(arrays=(array,), selection=selection), split_axes(array.shape, None)
    pieces = list(cut_kept(array.shape, axes, _CHANNELS * axes.values))
    if len(pieces) == 1:
        return Weighing(extremes, source, sums, squares, axes).moments()
    state, tally = np.empty((5, *axes.shape)), np.empty((2, *axes.shape))
    least, greatest = np.empty((2, *axes.shape), source.storage)
    for where in pieces:
        kept: Any = (..., *(where[axis] for axis in axes.kept))
        piece = source._replace(arrays=(array[where],), selection=selection.select(where, axes))
        found = Weighing(extremes, piece, sums, squares, split_axes(piece.arrays[0].shape, axes.kept)).moments()
        assert found.tally is not None
        for whole, part in (
            (state, found.state),
            (least, found.least),
            (greatest, found.greatest),
            (tally, found.tally),
        ):
            whole[kept] = part.reshape(whole[kept].shape)
    return Moments(state.reshape(5, -1), least.reshape(-1), greatest.reshape(-1), tally.reshape(2, -1))


class Weighing:
    """Moments of a non-empty array with weights.

    ``extremes`` reduces the array itself. Of pairs (x, w), ``sums`` gives the sums of w and w x, ``squares`` those of
    w x and w x x.
    """

    def __init__(self, extremes: Reduction, source: Source, sums: Reduction, squares: Reduction, axes: Axes) -> None:
        assert source.selection is not None
        self._extremes, self._sums, self._squares = extremes, sums, squares
        self._source, self._axes = source, axes
        self._selection: Selection = source.selection
        self._dtype = np.dtype(np.float64) if source.storage.kind == "f" else source.storage

    def moments(self) -> Moments:
        """Count, mean, m2 and extremes of every channel."""
        scale = self._selection.scale
        with np.errstate(all="ignore"):
            found, scales = self._found()
            (w, u), (mean, tail), (m2, rest) = found.weight, found.mean, found.m2
            if not np.isfinite(w / scale).all():
                raise ValueError("weights: got weights whose sum is beyond the range of float64; wants smaller ones")
            special = sum(np.where(np.isfinite(end), 0.0, end) for end in found.ends())
            varies, zero = found.least != found.greatest, np.zeros_like(w)
            least, least_tail = two_sum(*two_words(found.least))
            rows = [
                w / scale,
                np.where(varies, mean / scales, least) + special,
                np.where(varies, tail / scales, least_tail),
                np.where(varies, m2 / scales / scales / scale, zero) + (special - special),
                np.where(varies, rest / scales / scales / scale, zero),
            ]
            moments = np.stack([np.where(np.isnan(row), np.nan, row) for row in rows])
        return Moments(moments, found.least, found.greatest, np.stack([found.counted, u / scale]))

    def _found(self) -> tuple[_Found, np.ndarray]:
        """What the last of the rounds found, and what values were multiplied by in it."""
        pivots = self._pivots()
        head, tail = two_sum(*two_words(pivots.reshape(-1)))
        centre = _Centre(head, tail, np.ones(pivots.size))

        def in_one_word(values: np.ndarray, of_block: Any) -> Words:
            values -= self._each(pivots[of_block], values)
            if values.dtype.kind != "f":
                values = values.view(np.int64).astype(np.float64)
            return values, np.zeros(())

        found = self._round(in_one_word, centre, 8)
        scale = found.scale()
        exact = _differences_are_exact(pivots.reshape(-1), found.least, found.greatest)
        normal = (found.squares >= _LEAST) | (found.least == found.greatest)
        if (found.enough() & exact & normal & (scale == 1.0)).all():
            return found, scale
        for _ in range(_MORE_ROUNDS):
            centre = found.centre(exact, centre.scale)
            found = self._round(self._in_two_words(centre), centre, 16)
            if found.enough().all():
                break
            exact = np.ones_like(exact)
        return found, scale

    def _in_two_words(self, centre: _Centre) -> Take:
        near, rest_of_near, scale = (part.reshape(self._axes.shape) for part in centre)

        def take(values: np.ndarray, of_block: Any) -> Words:
            head, low = (values, None) if values.dtype.kind == "f" else two_words(values)
            head *= self._each(scale[of_block], head)
            d, rest = _sum_in_place(head, self._each(-near[of_block], head))
            del values, head
            if low is not None:  # a whole number, as what is taken from it
                low -= self._each(rest_of_near[of_block], low)
                d, more = _sum_in_place(d, low)
                rest += more
            strange = ~np.isfinite(d)
            d[strange] = rest[strange] = 0.0
            return d, rest

        return take

    def _round(self, take: Take, centre: _Centre, itemsize: int) -> _Found:
        """Sums of all blocks about a centre, whose copies are what values of ``itemsize`` bytes would take."""
        shape = self._axes.shape
        whole = _Part(np.zeros((9, *shape)), np.zeros(shape), *no_extremes(shape, self._source.storage))

        def reduce(block: Block) -> _Part:
            with np.errstate(all="ignore"):  # of the thread that does the work
                return self._part(block, take)

        for block, part in in_order(self._source.arrays, self._axes, reduce, itemsize):
            held = whole.select(block.kept)
            sizes = held.counted.shape
            held.state[...] = _added(held.state.reshape(9, -1), part.state).reshape(9, *sizes)
            held.counted[...] += part.counted.reshape(sizes)
            held.least[...] = np.minimum(held.least, part.least.reshape(sizes))
            held.greatest[...] = np.maximum(held.greatest, part.greatest.reshape(sizes))
        (w, u), (s, t), (q, e) = (_two_of_three(*group) for group in whole.state.reshape(3, 3, -1))
        mean, tail = divide_words(s, t, w + (w == 0.0), u)
        m2 = add(q, e, *(-word for word in multiply_words(mean, tail, s, t)))
        counted = whole.counted.reshape(-1)
        ends = (np.where(counted > 0, end.reshape(-1), end.dtype.type(0)) for end in (whole.least, whole.greatest))
        return _Found((w, u), add(centre.head, centre.tail, mean, tail), m2, q, counted, *ends)

    def _part(self, block: Block, take: Take) -> _Part:
        """Sums, count and extremes of a block."""
        values, weights, part = self._weighed(block)
        d, rest = take(values, (..., *block.kept))
        del values
        kept = len(self._axes.kept)
        w, u, s, t = _of_pairs(self._sums, view_of(d, kept), weights)
        q, e = _of_pairs(self._squares, view_of(d, kept), weights)[2:]
        if rest.ndim:
            reduced = tuple(range(kept, d.ndim))
            t += _of_pairs(self._sums, view_of(rest, kept), weights)[2]
            rest *= weights  # as small as a rounding error, of squares that do not cancel: a plain sum is good enough
            rest *= d
            e += 2.0 * rest.sum(axis=reduced).reshape(-1)
        zero = np.zeros_like(w)
        return part._replace(state=np.stack([w, u, zero, s, t, zero, q, e, zero]))

    def _weighed(self, block: Block) -> tuple[np.ndarray, np.ndarray, _Part]:
        """Values and weights of a block, and a part without sums.

        Values are float64 or 64-bit integers; what does not count is 0, or the least of its channel, its weight 0.
        """
        values, view = self._source.staged(self._axes, block)
        part = self._extremes.piece(view)
        del view  # with its marks: there are several threads, and each of these arrays may have a MiB
        counted, *ends = (array[: block.channels] for array in (part.states, part.least, part.greatest))
        least, greatest = (end + end.dtype.type(0) for end in ends)  # +0 for -0
        absent = self._selection.absent(self._source.arrays[0], self._axes, block)
        weights = np.empty_like(values, np.float64)
        self._selection.weigh(self._axes, block, weights)
        np.copyto(weights, 0.0, where=absent)
        filler = np.where(counted > 0, least, least.dtype.type(0))
        np.copyto(values, self._each(filler, values), where=absent)
        return values.astype(self._dtype, copy=False), weights, _Part(np.zeros(()), counted, least, greatest)

    def _each(self, numbers: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Numbers of the channels of a block, to be broadcast to its values."""
        kept = len(self._axes.kept)
        return numbers.reshape(values.shape[:kept] + (1,) * (values.ndim - kept))

    def _pivots(self) -> np.ndarray:
        """What to take channels about: 0, or the least size there is of some values that are near each other."""
        axes, array = self._axes, self._source.arrays[0]
        rows = array.transpose(axes.kept + axes.reduced)
        least, greatest = no_extremes(axes.shape, self._dtype)
        for k in range(_SAMPLES):
            place: Any = (..., *(k * array.shape[a] // _SAMPLES for a in axes.reduced))
            values = rows[place].astype(self._dtype)
            least, greatest = np.minimum(least, values), np.maximum(greatest, values)
        zero = self._dtype.type(0)
        above = (least > zero) & (greatest - least <= least)
        below = (greatest < zero) & (least - greatest >= greatest)
        return np.asarray(np.where(above, least, np.where(below, greatest, zero)))


def _differences_are_exact(pivot: np.ndarray, least: np.ndarray, greatest: np.ndarray) -> np.ndarray:
    """Whether values from least to greatest, minus the pivot, are one word."""
    if least.dtype.kind != "f":
        head, tail = two_words(pivot)
        reach = [np.abs(add(*two_words(end), -head, -tail)[0]) for end in (least, greatest)]
        return np.asarray(np.maximum(*reach) <= _WHOLE)
    near, far = np.minimum(pivot / 2.0, pivot * 2.0), np.maximum(pivot / 2.0, pivot * 2.0)  # Sterbenz
    return np.asarray((pivot == 0.0) | ((near <= least) & (greatest <= far)))


def _two_of_three(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Words:
    s, t = two_sum(a, b)
    s, t = two_sum(s, t + c)
    return s, t


def _added(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Three sums in three words each, and those of another part."""
    words = (part.reshape(3, 3, -1)[:, k] for part in (a, b) for k in range(3))
    return np.stack(add_words(*words), axis=1)


def _sum_in_place(a: np.ndarray, b: np.ndarray) -> Words:
    """As ``two_sum``, with fewer blocks in memory; both are used up. The sum lies in memory as ``a``."""
    s = np.add(a, b, out=np.empty_like(a))
    z = s - a
    e = np.subtract(b, z, out=b if b.shape == z.shape else np.empty_like(a))
    np.subtract(s, z, out=z)
    np.subtract(a, z, out=a)
    e += a
    return s, e


def _of_pairs(pairs: Reduction, view: View, weights: np.ndarray) -> np.ndarray:
    """The two sums of a method of pairs per channel, each in two words."""
    partials = pairs.partials(view.cut)
    pairs.blocks(view._replace(other=weights.ravel(order="K")), partials, 0, view.cut.blocks)
    rows = partials.states[: pairs.rows * view.cut.channels].reshape(pairs.rows, -1)
    return rows[[SUM, SUM_2, PRODUCT, PRODUCT_2]]

"""Weighted moments, block by block, from the sums of pairs that the backward pass takes as well.

In a first round all blocks give ``W = sum(w)``, ``sum(w d)`` and ``sum(w d d)``, where ``d = x - K`` is exact: K is
near the values of channels whose values are near each other, else 0. Then ``mean = K + sum(w d) / W`` and
``m2 = sum(w d d) - sum(w d)^2 / W``, unless too much of that cancels. If so, in a second round a block first gives W
and ``sum(w x)``, and so its mean, which is K rounded: no value can be nearer to the mean than that, so little cancels,
whatever the weights. Blocks are merged with weights in two words then; the mean of all is ``sum(w x) / W``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._algebra import add, divide_words, merge_weighted, multiply_words, range_scale, two_sum
from .._arrays import two_words
from .._kernels.gradients import PRODUCT, PRODUCT_2, SUM, SUM_2
from .._kernels.sums import add_words
from .._layout import Axes, Block, View
from .._merging import no_extremes
from .._selection import Selection
from . import Moments
from .reduction import Reduction
from .sources import Source, in_order, view_of

Words = tuple[np.ndarray, np.ndarray]
_Join = Callable[[np.ndarray, np.ndarray], np.ndarray]
_REMAINS = 2.0**-30  # of a sum of squares: the sums that a lane adds up in two words have errors of 2^-88
_LEAST = 2.0**-800  # of such a sum: no product was too small to have its error
_SAMPLES = 16  # of a channel, to see whether values are near each other: 4 would often be so by chance


class _Part(NamedTuple):
    """What a block, or all of them so far, say about some channels."""

    state: np.ndarray  # nine rows
    counted: np.ndarray
    least: np.ndarray
    greatest: np.ndarray

    def select(self, kept: tuple[slice, ...]) -> "_Part":
        index: Any = (..., *kept)
        return _Part(*(array[index] for array in self))


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

    def moments(self) -> Moments:
        """Count, mean, m2 and extremes of every channel."""
        scale = self._selection.scale
        with np.errstate(all="ignore"):
            found = None if self._source.arithmetic == "wide" else self._first_round()
            (w, u, mean, tail, m2, rest), whole = self._second_round() if found is None else found
            rows = [w / scale, mean, tail, m2 / scale, rest / scale]
            if not np.isfinite(rows[0]).all():
                raise ValueError("weights: got weights whose sum is beyond the range of float64; wants smaller ones")
            moments = np.stack([np.where(np.isnan(row), np.nan, row) for row in rows])
            tally = np.stack([whole.counted.reshape(-1), u / scale])
        return Moments(moments, whole.least.reshape(-1), whole.greatest.reshape(-1), tally)

    def _together(self, reduce: Callable[[Block], _Part], join: _Join, itemsize: int) -> _Part:
        """What all blocks say, their copies being what values of ``itemsize`` bytes would take."""
        shape = self._axes.shape
        whole = _Part(np.zeros((9, *shape)), np.zeros(shape), *no_extremes(shape, self._source.storage))

        def quiet(block: Block) -> _Part:
            with np.errstate(all="ignore"):  # of the thread that does the work
                return reduce(block)

        for block, part in in_order(self._source, self._axes, quiet, itemsize):
            held = whole.select(block.kept)
            sizes = held.counted.shape
            held.state[...] = join(held.state.reshape(9, -1), part.state).reshape(9, *sizes)
            held.counted[...] += part.counted.reshape(sizes)
            held.least[...] = np.minimum(held.least, part.least.reshape(sizes))
            held.greatest[...] = np.maximum(held.greatest, part.greatest.reshape(sizes))
        return whole

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
        if values.dtype.kind == "f":
            values = values.astype(np.float64, copy=False)
        return values, weights, _Part(np.zeros((9, block.channels)), counted, least, greatest)

    def _each(self, numbers: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Numbers of the channels of a block, to be broadcast to its values."""
        kept = len(self._axes.kept)
        return numbers.reshape(*values.shape[:kept], *[1] * (values.ndim - kept))

    def _sums_of(self, pairs: Reduction, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return _of_pairs(pairs, view_of(values, len(self._axes.kept)), weights)

    def _pivots(self) -> np.ndarray:
        """What to take channels about: 0, or the least size there is of some values that are near each other."""
        axes, array = self._axes, self._source.arrays[0]
        rows = array.transpose(axes.kept + axes.reduced)
        least, greatest = np.full(axes.shape, np.inf), np.full(axes.shape, -np.inf)
        for k in range(_SAMPLES):
            place: Any = (..., *(k * array.shape[a] // _SAMPLES for a in axes.reduced))
            values = rows[place].astype(np.float64)
            least, greatest = np.minimum(least, values), np.maximum(greatest, values)
        above = (least > 0.0) & (greatest <= 2.0 * least) & np.isfinite(greatest)
        below = (greatest < 0.0) & (least >= 2.0 * greatest) & np.isfinite(least)
        return np.asarray(np.where(above, least, np.where(below, greatest, 0.0)))

    def _first_round(self) -> tuple[list[np.ndarray], _Part] | None:
        """Weight, mean and m2 in two words each, if they are good."""
        pivots = self._pivots()

        def reduce(block: Block) -> _Part:
            values, weights, part = self._weighed(block)
            of_block: Any = (..., *block.kept)
            pivot = pivots[of_block].reshape(-1)
            if pivot.any():
                values -= self._each(pivot, values)
            groups = part.state.reshape(3, 3, -1)
            groups[:2, :2] = self._sums_of(self._sums, values, weights).reshape(2, 2, -1)
            groups[2, :2] = self._sums_of(self._squares, values, weights)[2:]
            return part

        whole = self._together(reduce, _added, 8)
        w, u, s, t, q, e = (word for group in whole.state.reshape(3, 3, -1) for word in _two_of_three(*group))
        mean, tail = divide_words(s, t, w + (w == 0.0), u)
        m2, rest = add(q, e, *(-word for word in multiply_words(mean, tail, s, t)))
        pivot = pivots.reshape(-1)
        mean, tail = add(pivot, 0.0, mean, tail)
        counted = whole.counted.reshape(-1) > 0
        least, greatest = (np.where(counted, end.reshape(-1), 0.0) for end in (whole.least, whole.greatest))
        varies = least != greatest
        magnitude = np.maximum(np.abs(least), np.abs(greatest))
        near, far = np.minimum(pivot / 2.0, pivot * 2.0), np.maximum(pivot / 2.0, pivot * 2.0)
        good = np.isfinite(magnitude) & ((range_scale(magnitude) == 1.0) | (magnitude == 0.0))
        good &= ~counted | (pivot == 0.0) | ((near <= least) & (greatest <= far))  # every difference is exact
        good &= ~varies | ((m2 >= _REMAINS * q) & (q >= _LEAST))
        if not good.all():
            return None
        zero = np.zeros_like(w)
        pairs = (mean, least), (tail, zero), (m2, zero), (rest, zero)
        return [w, u, *(np.where(varies, *pair) for pair in pairs)], whole

    def _second_round(self) -> tuple[list[np.ndarray], _Part]:
        """Weight, mean and m2 in two words each, of any data."""

        def reduce(block: Block) -> _Part:
            values, weights, part = self._weighed(block)
            words = [word.reshape(block.channels, -1) for word in two_words(values)]
            del values
            weights = weights.reshape(block.channels, -1)
            state = _state(self._sums, self._squares, words, weights, part.least != part.greatest)
            return part._replace(state=np.where(part.counted > 0, state, 0.0))

        whole = self._together(reduce, _merged, 16)
        state = whole.state.reshape(9, -1)
        s, t = _two_of_three(*state[6:])
        mean, tail = divide_words(s, t, state[0] + (state[0] == 0.0), state[1])
        known = np.isfinite(s) & (whole.least != whole.greatest).reshape(-1)
        mean, tail = np.where(known, mean, state[2]), np.where(known, tail, state[3])
        return [state[0], state[1], mean, tail, state[4], state[5]], whole


def _two_of_three(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Words:
    s, t = two_sum(a, b)
    s, t = two_sum(s, t + c)
    return s, t


def _added(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Three sums in three words each, and those of another part."""
    words = (part.reshape(3, 3, -1)[:, k] for part in (a, b) for k in range(3))
    return np.stack(add_words(*words), axis=1)


def _merged(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    merged = np.stack([*merge_weighted(*a[:6], *b[:6]), *add_words(*a[6:], *b[6:])])
    return np.where(a[0] == 0.0, b, merged)  # as it is: a weight over itself is not 1 in two words


def _state(
    sums: Reduction, squares: Reduction, words: list[np.ndarray], weights: np.ndarray, varies: np.ndarray
) -> np.ndarray:
    """Rows of a part of the second round, of values that are scaled to where their squares are normal.

    The values come in two words, which are taken out of the list.
    """
    low, head = words.pop(), words.pop()
    strange = ~np.isfinite(head)
    special = np.where(strange, head, 0.0).sum(axis=1)
    head[strange] = 0.0
    magnitude = np.abs(head).max(axis=1)
    scale = np.where(magnitude == 0.0, 1.0, range_scale(magnitude))
    if (scale != 1.0).any():
        head *= scale[:, np.newaxis]
    w, u, s, t = _of_pairs(sums, view_of(head, 1), weights)
    if low.any():
        s, t = add(s, t, *_of_pairs(sums, view_of(low, 1), weights)[2:])
    mean, tail = divide_words(s, t, w + (w == 0.0), u)
    same = two_sum(head[:, 0], low[:, 0])
    d, rest = _sum_in_place(head, -mean[:, np.newaxis])
    del head
    if low.any():  # 64-bit integers may lie between K and the mean, but none between that and the integer next to it
        low -= np.rint(tail)[:, np.newaxis]
        d, more = _sum_in_place(d, low)
        rest += more
        del low, more
    a, b, q, e = _of_pairs(squares, view_of(d, 1), weights)
    rest *= weights  # as small as a rounding error: plain sums are good enough
    b += rest.sum(axis=1)
    e += 2.0 * np.einsum("ij,ij->i", d, rest)
    a, b = multiply_words(a, b, *divide_words(a, b, w + (w == 0.0), u))
    q, e = add(q, e, -a, -b)
    mean, tail = (np.where(varies, *parts) for parts in ((mean, same[0]), (tail, same[1])))
    q, e = np.where(varies & (q > 0.0), q, 0.0), np.where(varies & (q > 0.0), e, 0.0)
    unknown = special - special
    return np.stack(
        [
            w,
            u,
            mean / scale + special,
            tail / scale,
            q / scale / scale + unknown,
            e / scale / scale,
            s / scale + unknown,
            t / scale,
            np.zeros_like(s),
        ]
    )


def _sum_in_place(a: np.ndarray, b: np.ndarray) -> Words:
    """As ``two_sum``, with fewer blocks in memory; both are used up."""
    s = a + b
    z = s - a
    e = np.subtract(b, z, out=b if b.shape == z.shape else None)
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

"""Weighted moments, block by block, from the sums of pairs that the backward pass takes as well.

A block first gives ``W = sum(w)`` and ``sum(w x)``, and so its mean, which is K rounded; then, with ``d = x - K``,
``m2 = sum(w d d) - sum(w d)^2 / W``. No value can be nearer to the mean than K is, so little cancels, whatever the
weights. Blocks are merged with weights in two words; the mean of all is ``sum(w x) / W``, from three words and two.
"""

from typing import Any, NamedTuple

import numpy as np

from .._algebra import add, divide_words, merge_weighted, multiply_words, range_scale, two_sum
from .._arrays import Operand, two_words
from .._kernels.gradients import PRODUCT, PRODUCT_2, SUM, SUM_2
from .._kernels.sums import add_words
from .._layout import Axes, Block
from .._merging import no_extremes
from . import Moments
from .reduction import Reduction
from .sources import Source, as_channels, fill, in_order

Words = tuple[np.ndarray, np.ndarray]


class _Part(NamedTuple):
    """What a block, or all of them so far, say about some channels."""

    state: np.ndarray  # (9, channels): weight in two words, mean, m2, and the sum of w x in three
    counted: np.ndarray
    least: np.ndarray
    greatest: np.ndarray

    def select(self, kept: tuple[slice, ...]) -> "_Part":
        index: Any = (..., *kept)
        return _Part(*(array[index] for array in self))


def weighted_moments(sums: Reduction, squares: Reduction, x: Operand, axes: Axes) -> Moments:
    """Moments of a non-empty array with weights.

    Of pairs (x, w), ``sums`` gives those of w and w x, ``squares`` those of w x and w x x.
    """
    whole = _Part(
        np.zeros((9, *axes.shape)),
        np.zeros(axes.shape),
        *no_extremes(axes.shape, x.stored.dtype.newbyteorder("=")),
    )
    source = Source((x.stored,), x.arithmetic, x.storage, direct=False, selection=x.selection)
    for block, part in in_order(source, axes, lambda block: _reduce(sums, squares, x, axes, block)):
        held = whole.select(block.kept)
        shape = held.counted.shape
        held.state[...] = _merged(held.state.reshape(9, -1), part.state).reshape(9, *shape)
        held.counted[...] += part.counted.reshape(shape)
        held.least[...] = np.minimum(held.least, part.least.reshape(shape))
        held.greatest[...] = np.maximum(held.greatest, part.greatest.reshape(shape))
    state = whole.state.reshape(9, -1)
    with np.errstate(all="ignore"):
        s, t = two_sum(state[6], state[7])
        s, t = two_sum(s, t + state[8])
        mean, tail = divide_words(s, t, state[0] + (state[0] == 0.0), state[1])
        known = np.isfinite(s) & (whole.least != whole.greatest).reshape(-1)
        mean, tail = np.where(known, mean, state[2]), np.where(known, tail, state[3])
        scale = _weight_scale(x)
        rows = [state[0] / scale, mean, tail, state[4] / scale, state[5] / scale]
    if not np.isfinite(rows[0]).all():
        raise ValueError("weights: got weights whose sum is beyond the range of float64; wants smaller ones")
    moments = np.stack([np.where(np.isnan(row), np.nan, row) for row in rows])
    tally = np.stack([whole.counted.reshape(-1), state[1] / scale])
    return Moments(moments, whole.least.reshape(-1), whole.greatest.reshape(-1), tally)


def _weight_scale(x: Operand) -> float:
    assert x.selection is not None
    return x.selection.scale


def _merged(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        merged = np.stack([*merge_weighted(*a[:6], *b[:6]), *add_words(*a[6:], *b[6:])])
    return np.where(a[0] == 0.0, b, merged)  # as it is: a weight over itself is not 1 in two words


def _reduce(sums: Reduction, squares: Reduction, x: Operand, axes: Axes, block: Block) -> _Part:
    """One block, its channels flat."""
    assert x.selection is not None
    piece = x.stored.transpose(axes.kept + axes.reduced)[block.where]
    weights = x.selection.weights_of(axes, block).reshape(block.channels, -1)
    absent = x.selection.absent(x.stored, axes, block).reshape(block.channels, -1)
    absent |= weights == 0.0
    weights[absent] = 0.0
    weights *= x.selection.scale
    values = np.array(piece, dtype=piece.dtype.newbyteorder("="), order="C").reshape(block.channels, -1)
    fill(values, absent)
    count = absent.shape[1] - absent.sum(axis=1, dtype=np.float64)
    del absent  # a block of float64 is half a MiB, and there are several threads: nothing is held that is not needed
    least, greatest = no_extremes((block.channels,), values.dtype)
    for end, found in ((least, values.min(axis=1)), (greatest, values.max(axis=1))):
        np.copyto(end, found + values.dtype.type(0), where=count > 0)  # +0 for -0
    words = list(two_words(values))
    del values
    with np.errstate(all="ignore"):
        state = _state(sums, squares, words, weights, least != greatest)
    return _Part(np.where(count > 0, state, 0.0), count, least, greatest)


def _state(
    sums: Reduction, squares: Reduction, words: list[np.ndarray], weights: np.ndarray, varies: np.ndarray
) -> np.ndarray:
    """Rows of a part, of weights as they are given and values that are scaled to where their squares are normal.

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
    w, u, s, t = _of_pairs(sums, head, weights)
    if low.any():
        s, t = add(s, t, *_of_pairs(sums, low, weights)[2:])
    mean, tail = divide_words(s, t, w + (w == 0.0), u)
    same = two_sum(head[:, 0], low[:, 0])
    d, rest = _sum_in_place(head, -mean[:, np.newaxis])
    del head
    if low.any():  # 64-bit integers may lie between K and the mean, but none between that and the integer next to it
        low -= np.rint(tail)[:, np.newaxis]
        d, more = _sum_in_place(d, low)
        rest += more
        del low, more
    a, b, q, e = _of_pairs(squares, d, weights)
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


def _of_pairs(pairs: Reduction, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The two sums of a method of pairs per channel, each in two words."""
    view = as_channels(x)._replace(other=y.reshape(-1))
    partials = pairs.partials(view.cut)
    pairs.blocks(view, partials, 0, view.cut.blocks)
    rows = partials.states[: pairs.rows * len(x)].reshape(pairs.rows, len(x))
    return rows[[SUM, SUM_2, PRODUCT, PRODUCT_2]]

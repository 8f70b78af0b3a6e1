"""The last form of what a reduction summed up, for one channel: from the rows of its slot, one apart, to memory."""

from ..._algebra import add, divide_words, multiply_words, range_scale, two_sum
from ..gradients import PRODUCT, PRODUCT_2, two_words
from ..machine import greater, load, store
from ..sums import COUNT, M2, M2_TAIL, MEAN, MEAN_TAIL, NAN, SPECIAL, finish
from .places import (
    CENTRE,
    CENTRE_SCALE,
    CENTRE_TAIL,
    COUNTED,
    FIRST,
    GREATEST,
    LEAST,
    SECOND,
    THIRD,
    WEIGHT_TAIL,
)
from .rules import nearest


def one_nan(v):
    """The value, but one NaN for all."""
    return v if v == v else NAN


def of_three(words, row):
    """Three words, whatever their sizes, as two."""
    a, b = two_sum(load(words, row * PITCH), load(words, (row + 1) * PITCH))
    b, c = two_sum(b, load(words, (row + 2) * PITCH))
    a, b = two_sum(a, b)
    return a, b + c


def put_moments(closed, channels, channel, n, mean, mean_tail, m2, m2_tail):
    """The moments of a channel."""
    store(closed, COUNT * channels + channel, n)
    store(closed, MEAN * channels + channel, one_nan(mean))
    store(closed, MEAN_TAIL * channels + channel, one_nan(mean_tail))
    store(closed, M2 * channels + channel, one_nan(m2))
    store(closed, M2_TAIL * channels + channel, one_nan(m2_tail))


def conclude_moments(words, ends, terms, closed, channels, channel, centre, tail, scale):
    """Sums of values and of their squares become moments."""
    a, b = two_sum(load(words, FIRST * PITCH), load(words, (FIRST + 1) * PITCH))
    b, c = two_sum(b, load(words, (FIRST + 2) * PITCH))
    a, b = two_sum(a, b)
    store(words, FIRST * PITCH, a)
    store(words, (FIRST + 1) * PITCH, b)
    store(words, (FIRST + 2) * PITCH, c)
    finish(words, 1, terms)
    put_moments(
        closed,
        channels,
        channel,
        load(words, COUNT * PITCH),
        load(words, MEAN * PITCH),
        load(words, MEAN_TAIL * PITCH),
        load(words, M2 * PITCH),
        load(words, M2_TAIL * PITCH),
    )


def put_sum(words, row, closed, channels, channel):
    """A sum in two words."""
    a, b = two_words(load(words, row * PITCH), load(words, (row + 1) * PITCH), load(words, (row + 2) * PITCH))
    store(closed, row * channels + channel, a)
    store(closed, (row + 1) * channels + channel, b)
    return a


def conclude_gradients(words, ends, terms, closed, channels, channel, centre, tail, scale):
    """Sums of gradients, and of gradients times differences from the mean."""
    put_sum(words, FIRST, closed, channels, channel)
    total = put_sum(words, PRODUCT, closed, channels, channel)
    store(closed, PRODUCT * channels + channel, total + (total - total))  # an infinity there tells nothing: NaN


def conclude_weighted(words, ends, terms, closed, channels, channel, centre, tail, scale):
    """Sums of weights w, of w d and of w d^2, with d the differences from a centre, become moments."""
    special = load(words, SPECIAL * PITCH)
    w, u = of_three(words, FIRST)
    s, t = of_three(words, SECOND)
    q, e = of_three(words, THIRD)
    mean, rest = divide_words(s, t, w + (w == 0.0), u)
    p, r = multiply_words(mean, rest, s, t)
    m2, m2_tail = add(q, e, -p, -r)
    if not m2 > 0.0:
        m2, m2_tail = 0.0, 0.0
    mean, rest = add(centre, tail, mean, rest)
    mean, rest = mean / scale, rest / scale
    m2, m2_tail = m2 / scale / scale, m2_tail / scale / scale
    put_moments(closed, channels, channel, w, mean + special, rest, m2 + (special - special), m2_tail)
    store(closed, COUNTED * channels + channel, load(words, COUNT * PITCH))
    store(closed, WEIGHT_TAIL * channels + channel, u)
    put_centre(ends, closed, channels, channel, mean, rest)


def put_centre(ends, closed, channels, channel, mean, rest):
    """What the next pass subtracts: the mean, but its second word whole, so that differences of integers are exact.

    Those of floats are as well where they matter: a second word of 1 or more has a first one of 2^53.
    """
    low, high = load(ends, LEAST * PITCH), load(ends, GREATEST * PITCH)
    size = greater(high, -low)
    if mean - mean != 0.0:  # beyond float64
        mean, rest = low if low - low == 0.0 else 0.0, 0.0
    store(closed, CENTRE * channels + channel, mean)
    store(closed, CENTRE_TAIL * channels + channel, nearest(rest))
    # Large ones are left alone: beside them, with a small weight, there may be small ones that count.
    store(closed, CENTRE_SCALE * channels + channel, greater(range_scale(size), 1.0) if size > 0.0 else 1.0)


assert (SECOND, SECOND + 1) == (PRODUCT, PRODUCT_2)

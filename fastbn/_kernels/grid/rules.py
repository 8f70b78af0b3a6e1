"""What a variant binds: how values are read, which of them count, and what holds for their sums.

THREADS is bound with it: how far the rows of a slot in shared memory are apart.
"""

from numpy import float16, float32, float64, int32, int64

from ..._algebra import range_scale, two_sum
from ..machine import load, store
from ..operands import head_wide, low_bits
from ..sums import MEAN, MEAN_TAIL, SCALE, add_words
from .places import CENTRE, CENTRE_SCALE, CENTRE_TAIL

LOWER = (1 << 32) - 1  # the lower half of an int64
UNIT = 2.0**51  # beyond, every float64 that matters here is whole ...
ROUNDER = 1.5 * 2.0**52  # ... and below, adding this and taking it away rounds


def nearest(v):
    """The nearest whole number, ties to even."""
    return (v + ROUNDER) - ROUNDER if abs(v) < UNIT else v


# How a value is read, in a type that holds it and is compared at speed


def read_as_it_is(v):
    """float32, float64 and 64-bit integers."""
    return v


def read_half(v):
    """float16, as float32."""
    return float32(v)


def read_short(v):
    """Integers up to 16 bits, as int32."""
    return int32(v)


def read_integer(v):
    """32-bit integers, as int64."""
    return int64(v)


# Extremes in two words


def head_of(v):
    """A value that float64 holds."""
    return float64(v)


def tail_none(v):
    """Nothing is left over."""
    return 0.0


def head_of_wide(v):
    """A 64-bit integer without its low 11 bits."""
    return float64(head_wide(v))


def tail_of_wide(v):
    """The low 11 bits."""
    return float64(low_bits(v))


# What a map reads besides, and what becomes of its results


def tail_of_pair(v, w):
    """The low 11 bits."""
    return float64(low_bits(v))


def other_of(v, w):
    """The other of a pair."""
    return float64(w)


def to_half(v):
    """Rounded once."""
    return float16(v)


def to_single(v):
    """Rounded once."""
    return float32(v)


# Which values count


def counts_all(v, w):
    """Every value."""
    return True


def counts_numbers(v, w):
    """What is not NaN."""
    return v == v


def counts_marked(v, w):
    """What has a mark, or a weight."""
    return w != 0


def keeps_true(v):
    """A mask that says which."""
    return v != 0


def keeps_false(v):
    """A mask that says which do not."""
    return v == 0


def keeps_numbers(v):
    """What is not NaN."""
    return v == v


# What is not finite stays out of the sums


def finite_always(v, w):
    """Integers; and pairs, whose sums say by their first words what is not."""
    return True


def finite_value(v, w):
    """A float."""
    return v - v == 0.0


def irregular_value(v, w):
    """What an infinity or a NaN does to the mean."""
    return float64(v)


# What is subtracted first, in two words, and what values are multiplied by before


def centre_none(state, groups, group):
    """Nothing."""
    return 0.0, 0.0, 1.0


def centre_mean(state, groups, group):
    """The mean."""
    return load(state, MEAN * groups + group), load(state, MEAN_TAIL * groups + group), 1.0


def centre_found(state, groups, group):
    """What the pass before has found, scaled as the values are."""
    scale = load(state, CENTRE_SCALE * groups + group)
    scale += scale == 0.0
    return load(state, CENTRE * groups + group) * scale, load(state, CENTRE_TAIL * groups + group) * scale, scale


def centre_whole(state, groups, group):
    """The same of integers in two words, from the first of which a fraction would not be exact."""
    centre, tail, scale = centre_found(state, groups, group)
    return nearest(centre), tail, scale


# Powers of two that keep squares in the range of float64


def scale_none(size):
    """Squares are in it."""
    return 1.0


def scale_double(size):
    """What brings values up to this size there, if their squares or errors of these are not."""
    return range_scale(size) if size > 0.0 else 1.0


def align_none(words, i, part, j, pitch, i_size, j_size):
    """All have the same."""
    return 1.0, 1.0


def align_scales(words, i, part, j, pitch, i_size, j_size):
    """Factors that give two slots one scale: that of the larger values. Zeros have none of their own."""
    a, b = load(words, SCALE * THREADS + i), load(part, SCALE * pitch + j)
    if a == b:
        return 1.0, 1.0
    common = min(a, b)
    if not i_size > 0.0:
        common = b
    elif not j_size > 0.0:
        common = a
    store(words, SCALE * THREADS + i, common)
    return common / a, common / b


# The sums of a thread as nine words in the rows of a slot


def pack_whole(sums):
    """Sums in int64: of squares, which may not fit a word, the halves."""
    s, q = sums
    q, f = two_sum(float64((q >> 32) << 32), float64(q & LOWER))
    return float64(s), 0.0, 0.0, q, f, 0.0, 0.0, 0.0, 0.0


def pack_moments(sums):
    """Squares and what they left over are one sum."""
    s, c, t, q, f, h, g, r, _ = sums
    q, f, h = add_words(q, f, h, 0.0, g, r)
    return s, c, t, q, f, h, 0.0, 0.0, 0.0


def as_they_are(sums):
    """Nothing is to be done."""
    return sums

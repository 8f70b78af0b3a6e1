"""Per-channel coefficients of the maps from a state."""

from .._algebra import add, apart, divide_words, leading, multiply_words, root, variance
from .gradients import PRODUCT, PRODUCT_2
from .gradients import SUM as DY_SUM
from .gradients import SUM_2 as DY_SUM_2
from .machine import lesser
from .sums import COUNTED, M2, M2_TAIL, MEAN, MEAN_TAIL, NAN

INFINITY = float("inf")

PIVOT, PIVOT_TAIL, SCALE, SCALE_TAIL, SHIFT, SHIFT_TAIL, FOLDED = 0, 1, 2, 3, 4, 5, 6
LOW, LOW_TAIL, FACTOR, GAP, INCREASE, START, STOP, LEAST = 0, 1, 2, 3, 4, 5, 6, 7
CENTRE, CENTRE_TAIL, SLOPE, TILT, OFFSET = 0, 1, 2, 3, 4

DOWN, UP = 2.0**-100, 2.0**200  # what keeps large widths from overflow, and small ones from underflow
AIM, TINY, MOST = 4.0, 2.0**-800, 2.0**1023  # what a width shall be at least; a small one; the largest power of two
LESS, LARGEST = 1.0 - 2.0**-52, (2.0 - 2.0**-52) * 2.0**1023  # a little less than 1; the largest number


def deviation(state, channels, c, eps, ddof):
    """sqrt(var + eps) of a channel in two words."""
    v, t = variance(state[COUNTED * channels + c], state[M2 * channels + c], state[M2_TAIL * channels + c], ddof)
    v, t = add(v, t, eps, 0.0)
    return root(v, t)


def set_affine(coefficients, channels, c, pivot, pivot_tail, scale, scale_tail, shift, shift_tail):
    """``(x - pivot) scale + shift``.

    ``FOLDED`` is ``shift - pivot_tail scale``, which spares every value the subtraction of the tail; without it where
    that is infinite. At most one number is NaN, the pivot: which of two NaN comes out of an operation is the compiler's
    choice.
    """
    if scale != scale or shift != shift:
        pivot, pivot_tail, scale, scale_tail, shift, shift_tail = NAN, 0.0, 1.0, 0.0, 0.0, 0.0
    folded = shift - pivot_tail * scale
    coefficients[PIVOT * channels + c] = pivot
    coefficients[PIVOT_TAIL * channels + c] = pivot_tail
    coefficients[SCALE * channels + c] = scale
    coefficients[SCALE_TAIL * channels + c] = scale_tail
    coefficients[SHIFT * channels + c] = shift
    coefficients[SHIFT_TAIL * channels + c] = shift_tail
    coefficients[FOLDED * channels + c] = folded if folded - folded == 0.0 else shift


def standardize(state, groups, members, gamma, beta, eps, ddof, constant, coefficients, begin, end):
    """``(x - mean) gamma / sqrt(var + eps) + beta`` for groups ``begin`` to ``end``, each of ``members`` channels.

    Where the divisor is 0 the factor is ``constant``.
    """
    for g in range(begin, end):
        r, t = deviation(state, groups, g, eps, ddof)
        mean, tail = state[MEAN * groups + g], state[MEAN_TAIL * groups + g]
        for c in range(g * members, (g + 1) * members):
            a, al = divide_words(gamma[c], 0.0, r, t)
            if r == 0.0:
                a, al = constant, 0.0
            set_affine(coefficients, groups * members, c, mean, tail, a, al, beta[c], 0.0)


def destandardize(state, channels, gamma, beta, eps, ddof, coefficients, begin, end):
    """The inverse, ``(y - beta) sqrt(var + eps) / gamma + mean``."""
    for c in range(begin, end):
        r, t = deviation(state, channels, c, eps, ddof)
        a, al = divide_words(r, t, gamma[c], 0.0)
        mean, tail = state[MEAN * channels + c], state[MEAN_TAIL * channels + c]
        set_affine(coefficients, channels, c, beta[c], 0.0, a, al, mean, tail)


def unit_of(low, high, width):
    """Power of two that brings ``width``, that of the interval, to between 4 and 8; a denormal one less far."""
    if width == 0.0 or (high - high) - (low - low) != 0.0:
        return 1.0
    if width <= TINY:
        return lesser(AIM * UP / leading(UP * width), MOST)
    return AIM * DOWN / leading(DOWN * width if width - width == 0.0 else DOWN * high - DOWN * low)


def set_interval(coefficients, channels, c, low, low_tail, high, high_tail, start, stop, least, constant):
    """``[low, high]`` onto ``[start, stop]``; where there is no width, it counts as ``constant``.

    What has no slope makes every value NaN, by ``LOW`` alone (as in ``set_affine``). A slope beyond all numbers (of a
    denormal width onto more than 1e292), or whose steps are, by a rounding, is lowered: ends stay exact.
    """
    factor = unit_of(low, high, apart(low, low_tail, high, high_tail))
    width = apart(low * factor, low_tail * factor, high * factor, high_tail * factor)
    half = 0.5 * stop - 0.5 * start
    increase = half / (constant if width == 0.0 else 0.5 * width)
    if increase != increase:
        low, low_tail, width, increase, start, stop = NAN, 0.0, 0.0, 0.0, 0.0, 0.0
    if abs(0.5 * width * increase) == INFINITY and half - half == 0.0:
        increase = lesser(increase * LESS, LARGEST)
    coefficients[LOW * channels + c] = low * factor
    coefficients[LOW_TAIL * channels + c] = low_tail * factor
    coefficients[FACTOR * channels + c] = factor
    coefficients[GAP * channels + c] = width
    coefficients[INCREASE * channels + c] = increase
    coefficients[START * channels + c] = start
    coefficients[STOP * channels + c] = start if width == 0.0 else stop
    coefficients[LEAST * channels + c] = least


def rescale(count, channels, low, low_tail, high, high_tail, start, stop, least, constant, coefficients):
    """A channel's extremes, NaN where nothing was counted, onto the same interval for all."""
    for c in range(channels):
        a = low[c] if count[c] > 0.0 else NAN
        b = high[c] if count[c] > 0.0 else NAN
        set_interval(coefficients, channels, c, a, low_tail[c], b, high_tail[c], start, stop, least, constant)


def unscale(count, channels, low, low_tail, high, high_tail, start, stop, coefficients):
    """The inverse."""
    for c in range(channels):
        a = low[c] + low_tail[c] if count[c] > 0.0 else NAN
        b = high[c] + high_tail[c] if count[c] > 0.0 else NAN
        set_interval(coefficients, channels, c, start, 0.0, stop, 0.0, a, b, -INFINITY, INFINITY)


def any_number(v):
    """The value, but one NaN for all: which of two comes out of an addition is the compiler's choice."""
    return v if v == v else NAN


def update_running(state, channels, keep, take, ddof, mean, var):
    """Running mean and variance become ``keep`` times themselves and ``take`` times the batch's, where it has one."""
    for c in range(channels):
        if not state[COUNTED * channels + c] > ddof:
            continue
        v, _ = variance(state[COUNTED * channels + c], state[M2 * channels + c], state[M2_TAIL * channels + c], ddof)
        mean[c] = any_number(keep * mean[c] + take * state[MEAN * channels + c])
        var[c] = any_number(keep * var[c] + take * v)


def differentiate(sums, state, groups, members, gamma, eps, dgamma, dbeta, coefficients, begin, end):
    """Gradients of gamma and beta, and the coefficients of dx, from the sums of ``dy`` and ``dy (x - mean)``.

    For groups ``begin`` to ``end``, each of ``members`` channels with one mean and variance. With ``r = sqrt(var +
    eps)``, n values in a group, and sums over a group of sums over channels:
    ``dx = gamma dy / r - sum(gamma dy) / (n r) - (x - mean) sum(gamma dy (x - mean)) / (n r^3)``
    (Ioffe, Szegedy 2015, with their chain rule carried out).
    """
    channels = groups * members
    for g in range(begin, end):
        n = state[COUNTED * groups + g]
        r, u = deviation(state, groups, g, eps, 0.0)
        s, t, q, f = 0.0, 0.0, 0.0, 0.0
        for c in range(g * members, (g + 1) * members):
            p, e = multiply_words(sums[DY_SUM * channels + c], sums[DY_SUM_2 * channels + c], gamma[c], 0.0)
            s, t = add(s, t, p, e)
            p, e = multiply_words(sums[PRODUCT * channels + c], sums[PRODUCT_2 * channels + c], gamma[c], 0.0)
            q, f = add(q, f, p, e)
        s, t = divide_words(s, t, r, u)
        q, f = divide_words(q, f, r, u)
        q, f = divide_words(q, f, r, u)
        q, f = divide_words(q, f, r, u)
        for c in range(g * members, (g + 1) * members):
            dbeta[c] = any_number(sums[DY_SUM * channels + c] + sums[DY_SUM_2 * channels + c])
            p, e = divide_words(sums[PRODUCT * channels + c], sums[PRODUCT_2 * channels + c], r, u)
            dgamma[c] = any_number(p + e)
            a, b = divide_words(gamma[c], 0.0, r, u)
            coefficients[CENTRE * channels + c] = state[MEAN * groups + g]
            coefficients[CENTRE_TAIL * channels + c] = state[MEAN_TAIL * groups + g]
            coefficients[SLOPE * channels + c] = a + b
            coefficients[TILT * channels + c] = -(q + f) / n
            coefficients[OFFSET * channels + c] = -(s + t) / n

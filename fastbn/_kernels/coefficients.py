"""Per-channel coefficients of the affine map from a state."""

from .._algebra import add, divide_words, root, variance
from .sums import COUNTED, M2, M2_TAIL, MEAN, MEAN_TAIL, NAN

INFINITY = float("inf")

PIVOT, PIVOT_TAIL, SCALE, SCALE_TAIL, SHIFT, SHIFT_TAIL, FOLDED = 0, 1, 2, 3, 4, 5, 6
LOW, LOW_TAIL, FACTOR, SPAN, START, STOP, FLOOR, CEILING = 0, 1, 2, 3, 4, 5, 6, 7


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


def standardize(state, channels, gamma, beta, eps, ddof, constant, coefficients, begin, end):
    """``(x - mean) gamma / sqrt(var + eps) + beta``; where the divisor is 0 the factor is ``constant``."""
    for c in range(begin, end):
        r, t = deviation(state, channels, c, eps, ddof)
        a, al = divide_words(gamma[c], 0.0, r, t)
        if r == 0.0:
            a, al = constant, 0.0
        mean, tail = state[MEAN * channels + c], state[MEAN_TAIL * channels + c]
        set_affine(coefficients, channels, c, mean, tail, a, al, beta[c], 0.0)


def destandardize(state, channels, gamma, beta, eps, ddof, coefficients, begin, end):
    """The inverse, ``(y - beta) sqrt(var + eps) / gamma + mean``."""
    for c in range(begin, end):
        r, t = deviation(state, channels, c, eps, ddof)
        a, al = divide_words(r, t, gamma[c], 0.0)
        mean, tail = state[MEAN * channels + c], state[MEAN_TAIL * channels + c]
        set_affine(coefficients, channels, c, beta[c], 0.0, a, al, mean, tail)


def set_interval(coefficients, channels, c, low, low_tail, high, high_tail, start, stop, floor, ceiling, constant):
    """``[low, high]`` onto ``[start, stop]``: halved where the width overflows, ``constant`` where it is 0.

    An interval without a middle makes every value NaN, by ``LOW`` alone (as in ``set_affine``).
    """
    half = 0.5 * stop - 0.5 * start
    if half != half:
        low, low_tail, start, stop = NAN, 0.0, 0.0, 0.0
    width = high - low
    factor = 0.5 if width - width != 0.0 and low - low == 0.0 and high - high == 0.0 else 1.0
    width = (high * factor - low * factor) + (high_tail - low_tail) * factor
    coefficients[LOW * channels + c] = low * factor
    coefficients[LOW_TAIL * channels + c] = low_tail * factor
    coefficients[FACTOR * channels + c] = factor
    coefficients[SPAN * channels + c] = constant if width == 0.0 else width
    coefficients[START * channels + c] = start
    coefficients[STOP * channels + c] = stop
    coefficients[FLOOR * channels + c] = floor
    coefficients[CEILING * channels + c] = ceiling


def rescale(count, channels, low, low_tail, high, high_tail, start, stop, floor, ceiling, constant, coefficients):
    """A channel's extremes, NaN where nothing was counted, onto the same interval for all."""
    for c in range(channels):
        a = low[c] if count[c] > 0.0 else NAN
        b = high[c] if count[c] > 0.0 else NAN
        set_interval(coefficients, channels, c, a, low_tail[c], b, high_tail[c], start, stop, floor, ceiling, constant)


def unscale(count, channels, low, low_tail, high, high_tail, start, stop, coefficients):
    """The inverse."""
    for c in range(channels):
        a = low[c] + low_tail[c] if count[c] > 0.0 else NAN
        b = high[c] + high_tail[c] if count[c] > 0.0 else NAN
        set_interval(coefficients, channels, c, start, 0.0, stop, 0.0, a, b, -INFINITY, INFINITY, INFINITY)


def any_number(v):
    """The value, but one NaN for all: which of two comes out of an addition is the compiler's choice."""
    return v if v == v else NAN


def update_running(state, channels, keep, take, ddof, mean, var):
    """Running mean and variance become ``keep`` times themselves and ``take`` times the batch's."""
    for c in range(channels):
        v, _ = variance(state[COUNTED * channels + c], state[M2 * channels + c], state[M2_TAIL * channels + c], ddof)
        mean[c] = any_number(keep * mean[c] + take * state[MEAN * channels + c])
        var[c] = any_number(keep * var[c] + take * v)

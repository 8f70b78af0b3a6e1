"""Per-channel coefficients of the maps from a state.

Channels go through a bank, rows of ``PITCH`` numbers: there compilers see that rows are apart, and vectorize what is
done to each channel (0.5 to 0.65 of the time of ``normalize`` for 64 rows of 30,000 channels). Coefficients take the
places of what they are made from.
"""

from .._algebra import add, apart, divide_words, leading, multiply_words, root, variance
from .gradients import PRODUCT, PRODUCT_2
from .gradients import SUM as DY_SUM
from .gradients import SUM_2 as DY_SUM_2
from .machine import lesser, load, select, store
from .sizes import KNOBS, PITCH, WIDTH
from .sums import COUNTED, M2, M2_TAIL, MEAN, MEAN_TAIL, NAN

INFINITY = float("inf")

PIVOT, PIVOT_TAIL, SCALE, SCALE_TAIL, SHIFT, SHIFT_TAIL, FOLDED = 0, 1, 2, 3, 4, 5, 6
LOW, LOW_TAIL, FACTOR, GAP, INCREASE, START, STOP, LEAST = 0, 1, 2, 3, 4, 5, 6, 7
CENTRE, CENTRE_TAIL, SLOPE, TILT, OFFSET = 0, 1, 2, 3, 4
# What else the bank holds: gamma, beta and the sums of gradients beside moments; the upper end of an interval, and how
# many values lie in it.
GAMMA, BETA = 5, 6
DY, DY_TAIL, DY_X, DY_X_TAIL = 8, 9, 10, 11
HIGH, HIGH_TAIL, VALUES = 2, 3, 4

DOWN, UP = 2.0**-100, 2.0**200  # what keeps large widths from overflow, and small ones from underflow
AIM, TINY, MOST = 4.0, 2.0**-800, 2.0**1023  # what a width shall be at least; a small one; the largest power of two
LESS, LARGEST = 1.0 - 2.0**-52, (2.0 - 2.0**-52) * 2.0**1023  # a little less than 1; the largest number


def deviation(n, m2, m2_tail, eps, ddof):
    """sqrt(var + eps) in two words."""
    v, t = variance(n, m2, m2_tail, ddof)
    v, t = add(v, t, eps, 0.0)
    return root(v, t)


def bring(numbers, at, count, bank, row):
    """Put numbers of channels into a row of the bank."""
    for k in range(count):
        store(bank, row * PITCH + k, load(numbers, at + k))


def bring_groups(state, groups, members, first, count, bank):
    """The same with the rows of the moments of groups, for each of their members."""
    for row in range(M2_TAIL + 1):
        if members == 1:
            bring(state, row * groups + first, count, bank, row)
        else:
            at = row * groups + first // members
            left = members - first % members
            for k in range(count):
                store(bank, row * PITCH + k, load(state, at))
                left -= 1
                if left == 0:
                    at += 1
                    left = members


def hand_over(bank, count, coefficients, channels, first):
    """Take the coefficients of some channels out of the bank."""
    for row in range(KNOBS):
        for k in range(count):
            store(coefficients, row * channels + first + k, load(bank, row * PITCH + k))


def complete_affine(bank, count):
    """``(x - pivot) scale + shift``.

    ``FOLDED`` is ``shift - pivot_tail scale``, which spares every value the subtraction of the tail; without it where
    that is infinite. At most one number is NaN, the pivot: which of two NaN comes out of an operation is the compiler's
    choice.
    """
    for k in range(count):
        pivot, pivot_tail = load(bank, PIVOT * PITCH + k), load(bank, PIVOT_TAIL * PITCH + k)
        scale, scale_tail = load(bank, SCALE * PITCH + k), load(bank, SCALE_TAIL * PITCH + k)
        shift, shift_tail = load(bank, SHIFT * PITCH + k), load(bank, SHIFT_TAIL * PITCH + k)
        proper = select(scale == scale, shift == shift, False)
        pivot, pivot_tail = select(proper, pivot, NAN), select(proper, pivot_tail, 0.0)
        scale, scale_tail = select(proper, scale, 1.0), select(proper, scale_tail, 0.0)
        shift, shift_tail = select(proper, shift, 0.0), select(proper, shift_tail, 0.0)
        folded = shift - pivot_tail * scale
        store(bank, PIVOT * PITCH + k, pivot)
        store(bank, PIVOT_TAIL * PITCH + k, pivot_tail)
        store(bank, SCALE * PITCH + k, scale)
        store(bank, SCALE_TAIL * PITCH + k, scale_tail)
        store(bank, SHIFT * PITCH + k, shift)
        store(bank, SHIFT_TAIL * PITCH + k, shift_tail)
        store(bank, FOLDED * PITCH + k, select(folded - folded == 0.0, folded, shift))


def find_deviations(bank, count, eps, ddof):
    """``sqrt(var + eps)`` in two words, in place of the sums of squares."""
    for k in range(count):
        n, m2, m2_tail = load(bank, COUNTED * PITCH + k), load(bank, M2 * PITCH + k), load(bank, M2_TAIL * PITCH + k)
        r, t = deviation(n, m2, m2_tail, eps, ddof)
        store(bank, M2 * PITCH + k, r)
        store(bank, M2_TAIL * PITCH + k, t)


def open_affine(state, groups, members, gamma, beta, eps, ddof, first, count, bank):
    """Put into the bank what both affine maps are made from."""
    bring_groups(state, groups, members, first, count, bank)
    bring(gamma, first, count, bank, GAMMA)
    bring(beta, first, count, bank, BETA)
    find_deviations(bank, count, eps, ddof)


def standardize(state, groups, members, gamma, beta, eps, ddof, constant, coefficients, begin, end, bank):
    """``(x - mean) gamma / sqrt(var + eps) + beta`` for groups ``begin`` to ``end``, each of ``members`` channels.

    Where the divisor is 0 the factor is ``constant``.
    """
    for first in range(begin * members, end * members, WIDTH):
        count = min(WIDTH, end * members - first)
        open_affine(state, groups, members, gamma, beta, eps, ddof, first, count, bank)
        for k in range(count):
            mean, tail = load(bank, MEAN * PITCH + k), load(bank, MEAN_TAIL * PITCH + k)
            r, t = load(bank, M2 * PITCH + k), load(bank, M2_TAIL * PITCH + k)
            shift = load(bank, BETA * PITCH + k)
            a, b = divide_words(load(bank, GAMMA * PITCH + k), 0.0, r, t)
            store(bank, PIVOT * PITCH + k, mean)
            store(bank, PIVOT_TAIL * PITCH + k, tail)
            store(bank, SCALE * PITCH + k, select(r == 0.0, constant, a))
            store(bank, SCALE_TAIL * PITCH + k, select(r == 0.0, 0.0, b))
            store(bank, SHIFT * PITCH + k, shift)
            store(bank, SHIFT_TAIL * PITCH + k, 0.0)
        complete_affine(bank, count)
        hand_over(bank, count, coefficients, groups * members, first)


def destandardize(state, channels, gamma, beta, eps, ddof, coefficients, begin, end, bank):
    """The inverse, ``(y - beta) sqrt(var + eps) / gamma + mean``."""
    for first in range(begin, end, WIDTH):
        count = min(WIDTH, end - first)
        open_affine(state, channels, 1, gamma, beta, eps, ddof, first, count, bank)
        for k in range(count):
            mean, tail = load(bank, MEAN * PITCH + k), load(bank, MEAN_TAIL * PITCH + k)
            r, t = load(bank, M2 * PITCH + k), load(bank, M2_TAIL * PITCH + k)
            pivot = load(bank, BETA * PITCH + k)
            a, b = divide_words(r, t, load(bank, GAMMA * PITCH + k), 0.0)
            store(bank, PIVOT * PITCH + k, pivot)
            store(bank, PIVOT_TAIL * PITCH + k, 0.0)
            store(bank, SCALE * PITCH + k, a)
            store(bank, SCALE_TAIL * PITCH + k, b)
            store(bank, SHIFT * PITCH + k, mean)
            store(bank, SHIFT_TAIL * PITCH + k, tail)
        complete_affine(bank, count)
        hand_over(bank, count, coefficients, channels, first)


def unit_of(low, high, width):
    """Power of two that brings ``width``, that of the interval, to between 4 and 8; a denormal one less far."""
    small = lesser(AIM * UP / leading(UP * width), MOST)
    large = AIM * DOWN / leading(select(width - width == 0.0, DOWN * width, DOWN * high - DOWN * low))
    unit = select(width <= TINY, small, large)
    return select(width == 0.0, 1.0, select((high - high) - (low - low) == 0.0, unit, 1.0))


def complete_intervals(bank, count, constant):
    """``[low, high]`` onto ``[start, stop]``; where there is no width, it counts as ``constant``.

    What has no slope makes every value NaN, by ``LOW`` alone (as in ``complete_affine``). A slope beyond all numbers
    (of a denormal width onto more than 1e292), or whose steps are, by a rounding, is lowered: ends stay exact.
    """
    for k in range(count):
        low, low_tail = load(bank, LOW * PITCH + k), load(bank, LOW_TAIL * PITCH + k)
        high, high_tail = load(bank, HIGH * PITCH + k), load(bank, HIGH_TAIL * PITCH + k)
        start, stop = load(bank, START * PITCH + k), load(bank, STOP * PITCH + k)
        factor = unit_of(low, high, apart(low, low_tail, high, high_tail))
        width = apart(low * factor, low_tail * factor, high * factor, high_tail * factor)
        half = 0.5 * stop - 0.5 * start
        increase = half / select(width == 0.0, constant, 0.5 * width)
        sloped = increase == increase
        low, low_tail = select(sloped, low, NAN), select(sloped, low_tail, 0.0)
        start, stop = select(sloped, start, 0.0), select(sloped, stop, 0.0)
        width, increase = select(sloped, width, 0.0), select(sloped, increase, 0.0)
        lowered = select(half - half == 0.0, lesser(increase * LESS, LARGEST), increase)
        store(bank, LOW * PITCH + k, low * factor)
        store(bank, LOW_TAIL * PITCH + k, low_tail * factor)
        store(bank, FACTOR * PITCH + k, factor)
        store(bank, GAP * PITCH + k, width)
        store(bank, INCREASE * PITCH + k, select(abs(0.5 * width * increase) == INFINITY, lowered, increase))
        store(bank, START * PITCH + k, start)
        store(bank, STOP * PITCH + k, select(width == 0.0, start, stop))


def bring_extremes(count, low, low_tail, high, high_tail, first, some, bank):
    """Put a channel's extremes, NaN where nothing was counted, into the bank."""
    bring(count, first, some, bank, VALUES)
    bring(low, first, some, bank, LOW)
    bring(low_tail, first, some, bank, LOW_TAIL)
    bring(high, first, some, bank, HIGH)
    bring(high_tail, first, some, bank, HIGH_TAIL)
    for k in range(some):
        counted = load(bank, VALUES * PITCH + k) > 0.0
        store(bank, LOW * PITCH + k, select(counted, load(bank, LOW * PITCH + k), NAN))
        store(bank, HIGH * PITCH + k, select(counted, load(bank, HIGH * PITCH + k), NAN))


def rescale_some(
    count, channels, low, low_tail, high, high_tail, start, stop, least, constant, coefficients, first, some, bank
):
    """Extremes of some channels onto the same interval for all."""
    bring_extremes(count, low, low_tail, high, high_tail, first, some, bank)
    for k in range(some):
        store(bank, START * PITCH + k, start)
        store(bank, STOP * PITCH + k, stop)
        store(bank, LEAST * PITCH + k, least)
    complete_intervals(bank, some, constant)
    hand_over(bank, some, coefficients, channels, first)


def rescale(count, channels, low, low_tail, high, high_tail, start, stop, least, constant, coefficients, bank):
    """Extremes of channels onto the same interval for all."""
    for first in range(0, channels, WIDTH):
        some = min(WIDTH, channels - first)
        rescale_some(
            count,
            channels,
            low,
            low_tail,
            high,
            high_tail,
            start,
            stop,
            least,
            constant,
            coefficients,
            first,
            some,
            bank,
        )


def unscale_some(count, channels, low, low_tail, high, high_tail, start, stop, coefficients, first, some, bank):
    """The inverse for some channels."""
    bring_extremes(count, low, low_tail, high, high_tail, first, some, bank)
    for k in range(some):
        least = load(bank, LOW * PITCH + k) + load(bank, LOW_TAIL * PITCH + k)
        greatest = load(bank, HIGH * PITCH + k) + load(bank, HIGH_TAIL * PITCH + k)
        store(bank, START * PITCH + k, least)
        store(bank, STOP * PITCH + k, greatest)
        store(bank, LEAST * PITCH + k, -INFINITY)
        store(bank, LOW * PITCH + k, start)
        store(bank, LOW_TAIL * PITCH + k, 0.0)
        store(bank, HIGH * PITCH + k, stop)
        store(bank, HIGH_TAIL * PITCH + k, 0.0)
    complete_intervals(bank, some, INFINITY)
    hand_over(bank, some, coefficients, channels, first)


def unscale(count, channels, low, low_tail, high, high_tail, start, stop, coefficients, bank):
    """The inverse."""
    for first in range(0, channels, WIDTH):
        some = min(WIDTH, channels - first)
        unscale_some(count, channels, low, low_tail, high, high_tail, start, stop, coefficients, first, some, bank)


def any_number(v):
    """The value, but one NaN for all: which of two comes out of an addition is the compiler's choice."""
    return v if v == v else NAN


def update_channel(state, channels, keep, take, ddof, mean, var, c):
    """Running mean and variance of one channel."""
    if state[COUNTED * channels + c] > ddof:
        v, _ = variance(state[COUNTED * channels + c], state[M2 * channels + c], state[M2_TAIL * channels + c], ddof)
        mean[c] = any_number(keep * mean[c] + take * state[MEAN * channels + c])
        var[c] = any_number(keep * var[c] + take * v)


def update_running(state, channels, keep, take, ddof, mean, var):
    """Running mean and variance become ``keep`` times themselves and ``take`` times the batch's, where it has one."""
    for c in range(channels):
        update_channel(state, channels, keep, take, ddof, mean, var, c)


def subtracted(s, t, q, f, r, u, n):
    """What ``dx`` has besides ``gamma dy / r``: the constant, and the factor of ``x - mean``."""
    s, t = divide_words(s, t, r, u)
    q, f = divide_words(q, f, r, u)
    q, f = divide_words(q, f, r, u)
    q, f = divide_words(q, f, r, u)
    return -(s + t) / n, -(q + f) / n


def of_channel(a, b, p, e, gamma, r, u):
    """Gradients of beta and gamma, and ``gamma / r``."""
    v, w = divide_words(p, e, r, u)
    m, o = divide_words(gamma, 0.0, r, u)
    return any_number(a + b), any_number(v + w), m + o


def differentiate_group(sums, state, groups, members, gamma, eps, dgamma, dbeta, coefficients, g):
    """The gradients of a group of several channels."""
    channels = groups * members
    n = state[COUNTED * groups + g]
    r, u = deviation(n, state[M2 * groups + g], state[M2_TAIL * groups + g], eps, 0.0)
    s, t, q, f = 0.0, 0.0, 0.0, 0.0
    for c in range(g * members, (g + 1) * members):
        p, e = multiply_words(sums[DY_SUM * channels + c], sums[DY_SUM_2 * channels + c], gamma[c], 0.0)
        s, t = add(s, t, p, e)
        p, e = multiply_words(sums[PRODUCT * channels + c], sums[PRODUCT_2 * channels + c], gamma[c], 0.0)
        q, f = add(q, f, p, e)
    offset, tilt = subtracted(s, t, q, f, r, u, n)
    for c in range(g * members, (g + 1) * members):
        a, b = sums[DY_SUM * channels + c], sums[DY_SUM_2 * channels + c]
        p, e = sums[PRODUCT * channels + c], sums[PRODUCT_2 * channels + c]
        dbeta[c], dgamma[c], slope = of_channel(a, b, p, e, gamma[c], r, u)
        coefficients[CENTRE * channels + c] = state[MEAN * groups + g]
        coefficients[CENTRE_TAIL * channels + c] = state[MEAN_TAIL * groups + g]
        coefficients[SLOPE * channels + c] = slope
        coefficients[TILT * channels + c] = tilt
        coefficients[OFFSET * channels + c] = offset


def differentiate_channels(sums, state, channels, gamma, eps, dgamma, dbeta, coefficients, first, count, bank):
    """The gradients of some channels, each with a mean and variance of its own."""
    bring_groups(state, channels, 1, first, count, bank)
    bring(gamma, first, count, bank, GAMMA)
    bring(sums, DY_SUM * channels + first, count, bank, DY)
    bring(sums, DY_SUM_2 * channels + first, count, bank, DY_TAIL)
    bring(sums, PRODUCT * channels + first, count, bank, DY_X)
    bring(sums, PRODUCT_2 * channels + first, count, bank, DY_X_TAIL)
    find_deviations(bank, count, eps, 0.0)
    for k in range(count):
        n, mean, tail = load(bank, COUNTED * PITCH + k), load(bank, MEAN * PITCH + k), load(bank, MEAN_TAIL * PITCH + k)
        r, u, scale = load(bank, M2 * PITCH + k), load(bank, M2_TAIL * PITCH + k), load(bank, GAMMA * PITCH + k)
        a, b = load(bank, DY * PITCH + k), load(bank, DY_TAIL * PITCH + k)
        p, e = load(bank, DY_X * PITCH + k), load(bank, DY_X_TAIL * PITCH + k)
        s, t = multiply_words(a, b, scale, 0.0)
        s, t = add(0.0, 0.0, s, t)
        q, f = multiply_words(p, e, scale, 0.0)
        q, f = add(0.0, 0.0, q, f)
        offset, tilt = subtracted(s, t, q, f, r, u, n)
        along_beta, along_gamma, slope = of_channel(a, b, p, e, scale, r, u)
        store(bank, CENTRE * PITCH + k, mean)
        store(bank, CENTRE_TAIL * PITCH + k, tail)
        store(bank, SLOPE * PITCH + k, slope)
        store(bank, TILT * PITCH + k, tilt)
        store(bank, OFFSET * PITCH + k, offset)
        store(bank, DY * PITCH + k, along_beta)
        store(bank, DY_X * PITCH + k, along_gamma)
    hand_over(bank, count, coefficients, channels, first)
    for k in range(count):
        store(dbeta, first + k, load(bank, DY * PITCH + k))
        store(dgamma, first + k, load(bank, DY_X * PITCH + k))


def differentiate(sums, state, groups, members, gamma, eps, dgamma, dbeta, coefficients, begin, end, bank):
    """Gradients of gamma and beta, and the coefficients of dx, from the sums of ``dy`` and ``dy (x - mean)``.

    For groups ``begin`` to ``end``, each of ``members`` channels with one mean and variance. With ``r = sqrt(var +
    eps)``, n values in a group, and sums over a group of sums over channels:
    ``dx = gamma dy / r - sum(gamma dy) / (n r) - (x - mean) sum(gamma dy (x - mean)) / (n r^3)``
    (Ioffe, Szegedy 2015, with their chain rule carried out).
    """
    if members == 1:
        for first in range(begin, end, WIDTH):
            count = min(WIDTH, end - first)
            differentiate_channels(sums, state, groups, gamma, eps, dgamma, dbeta, coefficients, first, count, bank)
    else:
        for g in range(begin, end):
            differentiate_group(sums, state, groups, members, gamma, eps, dgamma, dbeta, coefficients, g)

"""One thread per channel, or group of channels: coefficients and running statistics, as ``coefficients.py`` has them.

A variant binds THREADS and BANK (float64 numbers of a block's banks).
"""

from numba import cuda
from numpy import float64, int64

from ..coefficients import (
    PIVOT,
    PIVOT_TAIL,
    SCALE,
    destandardize,
    differentiate,
    rescale_some,
    standardize,
    unscale_some,
    update_channel,
)
from ..machine import load, store, window
from ..sizes import KNOBS
from ..sums import COUNTED, M2, M2_TAIL, MEAN, MEAN_TAIL, NAN
from .places import WEIGHT_TAIL

KERNELS = (
    "standardize_channels",
    "destandardize_channels",
    "rescale_channels",
    "unscale_channels",
    "update_running_channels",
    "differentiate_channels",
    "scale_weights",
    "drop_means",
    "take_means",
    "state_of",
)


def this_thread():
    """Its number in the grid."""
    return int64(cuda.blockIdx.x) * THREADS + int64(cuda.threadIdx.x)


def standardize_channels(state, groups, members, gamma, beta, eps, ddof, constant, coefficients):
    """Coefficients of ``(x - mean) gamma / sqrt(var + eps) + beta``."""
    bank = cuda.shared.array(BANK, float64)
    g = this_thread()
    if g < groups:
        room = window(bank, int64(cuda.threadIdx.x))
        standardize(state, groups, members, gamma, beta, eps, ddof, constant, coefficients, g, g + 1, room)


def destandardize_channels(state, channels, gamma, beta, eps, ddof, coefficients):
    """Coefficients of the inverse map."""
    bank = cuda.shared.array(BANK, float64)
    c = this_thread()
    if c < channels:
        room = window(bank, int64(cuda.threadIdx.x))
        destandardize(state, channels, gamma, beta, eps, ddof, coefficients, c, c + 1, room)


def rescale_channels(count, channels, low, low_tail, high, high_tail, start, stop, least, constant, coefficients):
    """Coefficients of the map of a channel's extremes onto an interval."""
    bank = cuda.shared.array(BANK, float64)
    c = this_thread()
    if c < channels:
        room = window(bank, int64(cuda.threadIdx.x))
        rescale_some(
            count, channels, low, low_tail, high, high_tail, start, stop, least, constant, coefficients, c, 1, room
        )


def unscale_channels(count, channels, low, low_tail, high, high_tail, start, stop, coefficients):
    """Coefficients of the inverse map."""
    bank = cuda.shared.array(BANK, float64)
    c = this_thread()
    if c < channels:
        room = window(bank, int64(cuda.threadIdx.x))
        unscale_some(count, channels, low, low_tail, high, high_tail, start, stop, coefficients, c, 1, room)


def update_running_channels(state, channels, keep, take, ddof, mean, var):
    """Running mean and variance move towards the batch's."""
    c = this_thread()
    if c < channels:
        update_channel(state, channels, keep, take, ddof, mean, var, c)


def differentiate_channels(sums, state, groups, members, gamma, eps, dgamma, dbeta, coefficients):
    """Gradients of gamma and beta, and the coefficients of that of x."""
    bank = cuda.shared.array(BANK, float64)
    g = this_thread()
    if g < groups:
        room = window(bank, int64(cuda.threadIdx.x))
        differentiate(sums, state, groups, members, gamma, eps, dgamma, dbeta, coefficients, g, g + 1, room)


def multiply(numbers, at, factor):
    """One of them, by a power of two."""
    store(numbers, at, load(numbers, at) * factor)


def scale_weights(closed, channels, factor):
    """Moments of data whose weights were multiplied by a power of two."""
    c = this_thread()
    if c < channels:
        multiply(closed, COUNTED * channels + c, factor)
        multiply(closed, M2 * channels + c, factor)
        multiply(closed, M2_TAIL * channels + c, factor)
        multiply(closed, WEIGHT_TAIL * channels + c, factor)


def drop_means(state, channels, centred):
    """Moments of data of which the mean was subtracted."""
    c = this_thread()
    if c < channels:
        for row in range(M2_TAIL + 1):
            store(centred, row * channels + c, load(state, row * channels + c))
        store(centred, MEAN * channels + c, 0.0)
        store(centred, MEAN_TAIL * channels + c, 0.0)


def take_means(state, groups, members, coefficients):
    """Coefficients of ``x - mean``."""
    c = this_thread()
    channels = groups * members
    if c < channels:
        for row in range(KNOBS):
            store(coefficients, row * channels + c, 0.0)
        store(coefficients, PIVOT * channels + c, load(state, MEAN * groups + c // members))
        store(coefficients, PIVOT_TAIL * channels + c, load(state, MEAN_TAIL * groups + c // members))
        store(coefficients, SCALE * channels + c, 1.0)


def state_of(mean, var, channels, state):
    """Running statistics as the moments of one value per channel."""
    c = this_thread()
    if c < channels:
        v = load(var, c)
        store(state, COUNTED * channels + c, 1.0)
        store(state, MEAN * channels + c, load(mean, c))
        store(state, MEAN_TAIL * channels + c, 0.0)
        store(state, M2 * channels + c, NAN if v < 0.0 else v)
        store(state, M2_TAIL * channels + c, 0.0)

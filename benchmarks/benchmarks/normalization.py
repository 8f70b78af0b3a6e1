"""Normalization and its inverse, into a given output: fresh memory would cost more than the arithmetic."""

import fastbn

from . import common


class Normalization(common.Calls):
    """Statistics and map (zscore, minmax_scale), and the map alone."""

    operations = {
        "zscore": lambda d: fastbn.zscore(d.x, d.channel_axis, out=d.out),
        "minmax_scale": lambda d: fastbn.minmax_scale(d.x, d.channel_axis, out=d.out),
        "normalize": lambda d: fastbn.normalize(
            d.x, d.stats, d.channel_axis, gamma=d.gamma, beta=d.beta, eps=1e-5, out=d.out
        ),
        "normalize_in_place": lambda d: fastbn.normalize(d.out, d.identity, d.channel_axis, out=d.out),
        "denormalize": lambda d: fastbn.denormalize(
            d.x, d.stats, d.channel_axis, gamma=d.gamma, beta=d.beta, eps=1e-5, out=d.out
        ),
        "minmax_unscale": lambda d: fastbn.minmax_unscale(d.x, d.stats, d.channel_axis, out=d.out),
    }

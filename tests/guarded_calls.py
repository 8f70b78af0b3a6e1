"""Every public function with arrays in and out, for tests that look at the memory beside these.

Each group of calls takes `x`, its channel axis, and `place`, through which every array goes that a function is given,
and yields what comes back. So the same calls can be made with arrays in any memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

import fastbn

Place = Callable[[np.ndarray], np.ndarray]
Axis = int | tuple[int, ...]
Q = [0.1, 0.5, 0.75]


def numbers_of(stats: fastbn.ChannelStats) -> list[np.ndarray]:
    return [np.asarray(v) for v in (stats.count, stats.mean, stats.var(), stats.min, stats.max)]


def vectors_of(x: np.ndarray, axis: Axis, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """A factor and a shift of every channel."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    shape = tuple(x.shape[a] for a in sorted(a % x.ndim for a in axes))
    factors = 1 + np.arange(np.prod(shape, dtype=int)).reshape(shape) % 5 / 4
    return place(factors), place(factors - 2)


def gaps_of(x: np.ndarray, place: Place) -> Iterator[tuple[np.ndarray, dict]]:
    """Arrays with values that do not count, in every way to say so."""
    kept = place(np.arange(x.size).reshape(x.shape) % 3 != 1)
    there = place(x)
    yield there, {"where": kept}
    yield there, {"nodata": x.dtype.type(0)}
    yield np.ma.MaskedArray(there, mask=place(~kept)), {}
    if x.dtype.kind == "f":
        yield place(np.where(kept, x, np.nan).astype(x.dtype)), {"nan_policy": "omit"}


def statistics(x: np.ndarray, axis: Axis, place: Place) -> Iterator[np.ndarray]:
    there = place(x)
    weights = place(np.arange(x.size).reshape(x.shape) % 4 / 2)
    found = [fastbn.channel_stats(there, axis, method=method) for method in ("compensated", "exact")]
    found.append(fastbn.channel_stats(there, axis, weights=weights))
    yield fastbn.channel_quantiles(there, Q, axis).values
    for gapped, how in gaps_of(x, place):
        found += [fastbn.channel_stats(gapped, axis, method=method, **how) for method in ("compensated", "exact")]
        yield fastbn.channel_quantiles(gapped, Q, axis, **how).values
    first = fastbn.channel_stats(x, axis)
    found += [first.update(there, axis), first.merge(found[0])]
    given = fastbn.ChannelStats.from_moments(place(first.count), place(first.mean), place(first.var()))
    for stats in (*found, given):
        yield from numbers_of(stats)


def maps(x: np.ndarray, axis: Axis, place: Place) -> Iterator[np.ndarray]:
    there, (gamma, beta) = place(x), vectors_of(x, axis, place)
    stats = fastbn.channel_stats(x, axis)
    float_dtype = fastbn.zscore(x, axis).dtype
    for function, arguments in (
        (fastbn.zscore, {}),
        (fastbn.minmax_scale, {"clip": True}),
        (fastbn.robust_scale, {}),
        (fastbn.normalize, {"stats": stats, "gamma": gamma, "beta": beta}),
        (fastbn.denormalize, {"stats": stats, "gamma": gamma, "beta": beta}),
        (fastbn.minmax_unscale, {"stats": stats}),
    ):
        yield function(there, channel_axis=axis, out=place(np.empty(x.shape, float_dtype)), **arguments)
        yield function(there, channel_axis=axis, out=place(np.empty_like(x, float_dtype)), **arguments)
    for dtype in (np.float16, np.float64):
        yield fastbn.zscore(there, axis, dtype=dtype, out=place(np.empty(x.shape, dtype)))
    yield fastbn.denormalize(there, stats, axis, dtype=np.uint8, out=place(np.empty(x.shape, np.uint8)))
    if x.dtype.kind == "f":
        own = place(x.astype(float_dtype))
        yield fastbn.zscore(own, axis, out=own)
    for gapped, how in gaps_of(x, place):
        for function in (fastbn.zscore, fastbn.minmax_scale, fastbn.robust_scale):
            out = place(np.empty(x.shape, float_dtype))
            function(gapped, axis, out=out, **how)
            yield out


def training(x: np.ndarray, axis: Axis, place: Place) -> Iterator[np.ndarray]:
    """Batch normalization and its gradients: of what has more than one value per channel."""
    there, (gamma, beta) = place(x), vectors_of(x, axis, place)
    kept = place(np.arange(x.size).reshape(x.shape) % 5 != 1)
    for arguments in ({}, {"training": False}, {"where": kept}, {"method": "exact"}):
        running = [place(np.full(gamma.shape, value, np.float32)) for value in (0, 1)]
        means = {"running_mean": running[0], "running_var": running[1]}
        y = fastbn.batch_norm(there, gamma, beta, channel_axis=axis, **means, **arguments)
        out = place(np.empty(x.shape, y.dtype))
        yield fastbn.batch_norm(there, gamma, beta, channel_axis=axis, **means, **arguments, out=out)
        yield from (y, *running)
    stats = fastbn.channel_stats(x, axis)
    dy = place(np.linspace(-1, 1, x.size).reshape(x.shape).astype(y.dtype))
    for arguments in ({}, {"training": False}, {"where": kept}, {"out": dy}):
        yield from fastbn.batch_norm_backward(dy, there, stats, gamma, channel_axis=axis, **arguments)


def layer(x: np.ndarray, axis: Axis, place: Place) -> Iterator[np.ndarray]:
    if isinstance(axis, tuple):
        return
    there, (gamma, beta) = place(x), vectors_of(x, axis, place)
    norm = fastbn.BatchNorm(gamma.size, channel_axis=axis)
    norm.load_state_dict({name: place(array) for name, array in norm.state_dict().items()})
    norm.gamma, norm.beta = place(gamma.astype(np.float32)), place(beta.astype(np.float32))
    norm.running_mean, norm.running_var = place(norm.running_mean), place(norm.running_var)
    y = norm(there)
    yield from (y, norm.running_mean, norm.running_var)
    yield norm.backward(place(np.linspace(-1, 1, x.size).reshape(x.shape).astype(y.dtype)))
    norm.recalibrate([there, there])
    yield norm.eval()(there)


def relatives(x: np.ndarray, axis: Axis, place: Place) -> Iterator[np.ndarray]:
    """Instance, group and layer normalization, and their gradients."""
    there, (gamma, beta) = place(x), vectors_of(x, axis, place)
    y = fastbn.layer_norm(x, gamma, beta, axis=axis)
    dy = place(np.linspace(-1, 1, x.size).reshape(x.shape).astype(y.dtype))
    yield fastbn.layer_norm(there, gamma, beta, axis=axis, out=place(np.empty(x.shape, y.dtype)))
    yield from fastbn.layer_norm_backward(dy, there, gamma, axis=axis, out=place(np.empty(x.shape, y.dtype)))
    samples = x.shape[0] if axis != 0 else 1
    if isinstance(axis, tuple) or x.size == samples * gamma.size:  # one value has no variance
        return
    for norm, gradient, groups in (
        (fastbn.instance_norm, fastbn.instance_norm_backward, ()),
        (fastbn.group_norm, fastbn.group_norm_backward, (1,)),
        (fastbn.group_norm, fastbn.group_norm_backward, (gamma.size,)),
    ):
        out = place(np.empty(x.shape, y.dtype))
        yield norm(there, *groups, gamma, beta, channel_axis=axis, out=out)
        yield from gradient(dy, there, *groups, gamma, channel_axis=axis, out=out)


#: Every public function is in one of these.
GROUPS = (statistics, maps, training, layer, relatives)

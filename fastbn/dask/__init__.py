"""Dask arrays: statistics of more data than a machine holds, in one pass, and lazy normalization.

Importing this module needs Dask. All functions of fastbn take Dask arrays; this module has the lazy form of their
statistics:

>>> import dask.array as da, fastbn.dask
>>> x = da.arange(12.0, chunks=5).reshape(6, 2)
>>> stats = fastbn.dask.channel_stats(x)
>>> y = fastbn.zscore(x, stats=stats)
>>> stats.compute().mean
array([5., 6.])
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .._channel_quantiles import ChannelQuantiles
from .._channel_stats import ChannelStats
from .._layout import ChannelAxis
from . import _batchnorm, _layernorm, _maps, _quantiles, _relatives
from ._arrays import open_array
from ._quantiles import LazyChannelQuantiles, lazy_quantiles
from ._stats import LazyChannelStats, lazy_stats

__all__ = ["LazyChannelQuantiles", "LazyChannelStats", "channel_quantiles", "channel_stats"]


def channel_stats(
    x: Any,
    channel_axis: ChannelAxis = 1,
    *,
    nan_policy: str = "propagate",
    where: Any = None,
    weights: Any = None,
    nodata: Any = None,
    method: str = "compensated",
) -> LazyChannelStats:
    """Statistics of every channel of a Dask array, lazy, in one pass.

    Parameters
    ----------
    x : dask.array.Array
        In chunks of any sizes, also unknown ones, along any axis.
    channel_axis : int, tuple of int, or None, default 1
        The axis (or axes) that is *kept*.
    nan_policy : {"propagate", "omit", "raise"}, default "propagate"
        As in `fastbn.channel_stats`; the ValueError of "raise" comes when the statistics are computed.
    where, weights : array_like or dask.array.Array, optional
        As in `fastbn.channel_stats`. An array of the shape of `x` is taken to the chunks of `x`; along axes of length
        1 nothing is repeated in memory.
    nodata : scalar or array_like, optional
        As in `fastbn.channel_stats`.
    method : {"compensated", "exact"}, default "compensated"
        As in `fastbn.channel_stats`.

    Returns
    -------
    LazyChannelStats
        A Dask collection that computes to a `ChannelStats`, with per-channel vectors of the shape of the kept axes.

    Raises
    ------
    ValueError, TypeError
        As in `fastbn.channel_stats`, as far as it can be told without the data.

    See Also
    --------
    fastbn.channel_stats : The same at once, with formulas and sources.
    fastbn.dask.channel_quantiles : The median and other quantiles.

    Notes
    -----
    Every chunk is reduced to a state of some 50 bytes per channel (``method="exact"``: 50 to 1700), and states are
    merged in a tree, at most 16 at a time; nothing of the size of the data is made, moved or kept. Chunks alone decide
    in which order states are merged: the bits do not depend on the scheduler, the number of workers or which of them
    fails. With ``method="exact"`` they do not depend on the chunks either.

    Examples
    --------
    >>> import dask.array as da, fastbn.dask
    >>> fastbn.dask.channel_stats(da.ones((4, 3), chunks=2)).compute().count
    array([4, 4, 4])
    """
    data = open_array(x, channel_axis)
    return lazy_stats(data, nan_policy, where, weights, nodata, method)


def channel_quantiles(
    x: Any,
    q: float | Iterable[float],
    channel_axis: ChannelAxis = 1,
    *,
    nan_policy: str = "propagate",
    where: Any = None,
    nodata: Any = None,
) -> LazyChannelQuantiles:
    """Quantiles of every channel of a Dask array, lazy and exact.

    Parameters
    ----------
    x : dask.array.Array
        As in `channel_stats`.
    q : float or sequence of float
        Quantiles in [0, 1].
    channel_axis : int, tuple of int, or None, default 1
        The axis (or axes) that is *kept*.
    nan_policy : {"propagate", "omit", "raise"}, default "propagate"
        As in `channel_stats`.
    where : array_like or dask.array.Array, optional
        As in `channel_stats`.
    nodata : scalar or array_like, optional
        As in `channel_stats`.

    Returns
    -------
    LazyChannelQuantiles
        A Dask collection that computes to a `ChannelQuantiles`: the same as of the whole array in memory.

    Raises
    ------
    ValueError, TypeError
        As in `fastbn.channel_quantiles`, as far as it can be told without the data.

    See Also
    --------
    fastbn.channel_quantiles : The same at once, with formula and source.
    fastbn.dask.channel_stats : Mean, variance, minimum and maximum.

    Notes
    -----
    bool, 8- and 16-bit integers take one pass. A state is the histogram of a chunk: up to 4 KiB per channel for 8 and
    1 MiB for 16 bits.

    Other data take one pass for every 16 bits of a value: float16 one, 32-bit dtypes two, 64-bit dtypes four. A pass
    counts the 16 bits that follow those already known of the wanted order statistics (radix selection), and its states
    are as large as the histograms of 16-bit integers, one for each of the different beginnings that a channel's wanted
    values have: at most two for each number in `q`. A task takes up to four times its chunk beside it; no chunk is kept
    from pass to pass: `x` is read again, from tasks of its own where Dask can copy them.

    Examples
    --------
    >>> import dask.array as da, fastbn.dask
    >>> x = da.arange(101, dtype="int16", chunks=10)
    >>> fastbn.dask.channel_quantiles(x, [0.02, 0.98], None).compute().values
    array([ 2., 98.])
    >>> fastbn.dask.channel_quantiles(x / 8, 0.5, None).compute().values
    array(6.25)
    """
    return lazy_quantiles(open_array(x, channel_axis), q, nan_policy, where, nodata)


def _stats_now(x: Any, *args: Any, **kwargs: Any) -> ChannelStats:
    """`fastbn.channel_stats` of a Dask array."""
    return channel_stats(x, *args, **kwargs).compute()


def _quantiles_now(x: Any, *args: Any, **kwargs: Any) -> ChannelQuantiles:
    """`fastbn.channel_quantiles` of a Dask array."""
    return channel_quantiles(x, *args, **kwargs).compute()


HANDLERS: Mapping[str, Callable[..., Any]] = {
    "batch_norm": _batchnorm.batch_norm,
    "batch_norm_backward": _batchnorm.batch_norm_backward,
    "channel_quantiles": _quantiles_now,
    "channel_stats": _stats_now,
    "denormalize": _maps.denormalize,
    "group_norm": _relatives.group_norm,
    "group_norm_backward": _relatives.group_norm_backward,
    "instance_norm": _relatives.instance_norm,
    "instance_norm_backward": _relatives.instance_norm_backward,
    "layer_norm": _layernorm.layer_norm,
    "layer_norm_backward": _layernorm.layer_norm_backward,
    "minmax_scale": _maps.minmax_scale,
    "minmax_unscale": _maps.minmax_unscale,
    "normalize": _maps.normalize,
    "robust_scale": _quantiles.robust_scale,
    "zscore": _maps.zscore,
}

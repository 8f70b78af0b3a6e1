"""Lazy statistics of Dask arrays."""

import functools
from operator import attrgetter, methodcaller
from typing import Any

import numpy as np

from .._apply import refuse_nan
from .._arrays import number_dtype
from .._channel_stats import ChannelStats
from .._layout import split_axes
from .._opening import refuse_weights
from .._optional import needed
from .._scalars import check_ddof, check_method, check_nan_policy
from ..statistics import channel_stats
from ._arrays import KNOWN, Beside, Data, is_known, may_be_same, refuse_unreal
from ._states import checked, in_tree, looked_up, union
from ._values import Lazy

with needed("dask"):
    import dask.array as da


class LazyChannelStats(Lazy[ChannelStats]):
    """Statistics of every channel of a Dask array, not computed yet; made by `channel_stats`.

    A Dask collection: ``compute()``, or ``dask.compute(stats, y)`` together with others, gives a `ChannelStats`. The
    functions of fastbn take it as `stats`. Its vectors are lazy arrays in the chunks of the channels.

    See Also
    --------
    fastbn.ChannelStats : What it computes to.

    Examples
    --------
    >>> import dask.array as da, fastbn.dask
    >>> stats = fastbn.dask.channel_stats(da.arange(6.0, chunks=4).reshape(3, 2))
    >>> stats.mean
    dask.array<mean, shape=(2,), dtype=float64, chunksize=(2,), chunktype=numpy.ndarray>
    >>> stats.compute().mean
    array([2., 3.])
    """

    __module__ = "fastbn.dask"  # its public place

    def with_states(self, states: Any) -> "LazyChannelStats":
        return LazyChannelStats(states, self.dtype)

    def example(self, shape: tuple[int, ...]) -> ChannelStats:
        return ChannelStats.empty(shape, self.dtype)

    @property
    def count(self) -> Any:
        """Values counted (Dask array of int64)."""
        return looked_up(self.states, attrgetter("count"), np.int64, "count")

    @property
    def n_missing(self) -> Any:
        """Values skipped (Dask array of int64)."""
        return looked_up(self.states, attrgetter("n_missing"), np.int64, "n_missing")

    @property
    def weight(self) -> Any:
        """Sum of weights, else the count (Dask array of float64)."""
        return looked_up(self.states, attrgetter("weight"), np.float64, "weight")

    @property
    def mean(self) -> Any:
        """Mean, in the units of the data (Dask array of float64)."""
        return looked_up(self.states, attrgetter("mean"), np.float64, "mean")

    @property
    def min(self) -> Any:
        """Smallest value (Dask array, in the dtype and the units of the data)."""
        return looked_up(self.states, attrgetter("min"), self.dtype, "min")

    @property
    def max(self) -> Any:
        """Largest value (Dask array, in the dtype and the units of the data)."""
        return looked_up(self.states, attrgetter("max"), self.dtype, "max")

    def var(self, ddof: int = 0) -> Any:
        """Variance (Dask array of float64).

        Parameters
        ----------
        ddof : int, default 0
            Delta degrees of freedom, as in `ChannelStats.var`.

        Returns
        -------
        dask.array.Array
            Of the channels' shape, in the units of the data squared.

        Raises
        ------
        ValueError, TypeError
            If `ddof` is no integer >= 0.

        Examples
        --------
        >>> import dask.array as da, fastbn.dask
        >>> fastbn.dask.channel_stats(da.arange(6.0, chunks=4).reshape(3, 2)).var(ddof=1).compute()
        array([4., 4.])
        """
        return looked_up(self.states, methodcaller("var", check_ddof(ddof)), np.float64, "var")

    def std(self, ddof: int = 0) -> Any:
        """Standard deviation (Dask array of float64).

        Parameters
        ----------
        ddof : int, default 0
            Delta degrees of freedom, as in `ChannelStats.std`.

        Returns
        -------
        dask.array.Array
            Of the channels' shape, in the units of the data.

        Raises
        ------
        ValueError, TypeError
            If `ddof` is no integer >= 0.

        Examples
        --------
        >>> import dask.array as da, fastbn.dask
        >>> fastbn.dask.channel_stats(da.arange(6.0, chunks=4).reshape(3, 2)).std(ddof=1).compute()
        array([2., 2.])
        """
        return looked_up(self.states, methodcaller("std", check_ddof(ddof)), np.float64, "std")


def check_lazy(stats: Any, data: Data) -> None:
    """Refuse lazy statistics of other channels, as far as Dask knows how many there are."""
    if not may_be_same(stats.shape, data.axes.shape):
        raise ValueError(f"stats: got statistics of channel shape {stats.shape}; wants {data.axes.shape}")
    if not is_known(data.chunks) and stats.states.numblocks != tuple(map(len, data.chunks)):
        raise ValueError(f"stats: got statistics in other chunks than x, whose sizes are unknown; {KNOWN}")


def lazy_stats(
    data: Data,
    nan_policy: str = "propagate",
    where: Any = None,
    weights: Any = None,
    nodata: Any = None,
    method: str = "compensated",
) -> LazyChannelStats:
    """Statistics of a checked array; what lies beside it is checked here."""
    check_method(method)
    check_nan_policy(nan_policy)
    refuse_weights(weights, method)
    beside = [mask_of(data, where), weights_of(data, weights), nodata_of(data, nodata)]
    policy = "propagate" if nan_policy == "raise" else nan_policy
    reduce = functools.partial(_stats_of_chunk, channel_axis=data.axes.kept, nan_policy=policy, method=method)
    states = in_tree(data.states(reduce, *beside), data.axes.reduced, union)
    if nan_policy == "raise":
        states = checked(states, _refuse_nan)
    return LazyChannelStats(states, number_dtype(data.x.dtype, "x"))


def mask_of(data: Data, where: Any) -> Beside:
    """Which values count."""
    mask = data.beside(where, "where")
    if mask.array is not None and mask.array.dtype != np.bool_:
        raise TypeError(f"where: got dtype {mask.array.dtype}; wants bool")
    return mask


def weights_of(data: Data, weights: Any) -> Beside:
    """How much values count."""
    factors = data.beside(weights, "weights")
    if factors.array is not None:
        refuse_unreal(factors.array, "weights")
    return factors


def nodata_of(data: Data, nodata: Any) -> Beside:
    """Which value stands for nothing: one, or one per channel."""
    if isinstance(nodata, da.Array):
        raise TypeError("nodata: got a Dask array; wants a number, or a NumPy array of one per channel")
    if nodata is None or np.ndim(nodata) == 0:
        return Beside(nodata, None)
    of_channels = nodata if isinstance(nodata, np.ndarray) else np.array(nodata, object)  # keeps large integers
    return data.vector(of_channels, "nodata")


def _stats_of_chunk(x: np.ndarray, where: Any, weights: Any, nodata: Any, **options: Any) -> ChannelStats:
    return channel_stats(x, where=where, weights=weights, nodata=nodata, **options)


def _refuse_nan(stats: ChannelStats) -> None:
    every = tuple(range(len(stats.shape)))
    refuse_nan(stats.moments(np.empty(0)), split_axes(stats.shape, every))

"""Per-channel quantiles of an array."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ._apply import refuse_channels
from ._arrays import Operand, refuse_device
from ._channel_quantiles import ChannelQuantiles, counted
from ._histogram import has_histogram, histogram_of
from ._kinds import of_any_kind
from ._layout import Axes, ChannelAxis
from ._opening import open_data
from ._order import order, quantiles_of
from ._quantile_records import Contents
from ._scalars import check_quantiles

__all__ = ["ChannelQuantiles", "channel_quantiles"]


@of_any_kind
def channel_quantiles(
    x: npt.ArrayLike,
    q: float | Iterable[float],
    channel_axis: ChannelAxis = 1,
    *,
    nan_policy: str = "propagate",
    where: npt.ArrayLike | None = None,
    nodata: npt.ArrayLike | None = None,
) -> ChannelQuantiles:
    """Quantiles of every channel, exact: the median is ``q=0.5``.

    Parameters
    ----------
    x : array_like
        Numbers of any rank: float16, float32, float64, bool or integers. It is not changed.
    q : float or sequence of float
        Quantiles in [0, 1].
    channel_axis : int, tuple of int, or None, default 1
        The axis (or axes) that is *kept*; all others are reduced. None: the whole array is one channel.
    nan_policy : {"propagate", "omit", "raise"}, default "propagate"
        A NaN makes its channel's quantiles NaN; or does not count; or is an error.
    where : array_like of bool, optional
        Only values where it is True count, as in `channel_stats`.
    nodata : scalar or array_like, optional
        A value that stands for no value, or one per channel, as in `channel_stats`.

    Returns
    -------
    ChannelQuantiles
        Its `values`, float64 in the units of `x`, have the shape ``(len(q), *kept)``, or that of the kept axes for a
        single `q`; NaN where nothing counts.

    Raises
    ------
    ValueError
        If a number in `q` is not in [0, 1], an argument does not fit `x`, or there is a NaN with
        ``nan_policy="raise"``.
    TypeError
        If a dtype is not supported, or an argument, such as `q`, has another type.

    See Also
    --------
    robust_scale : Normalize with median and quartiles.
    minmax_scale : Stretch between two quantiles.
    channel_stats : Mean, variance, minimum and maximum.
    fastbn.dask.channel_quantiles : The same of Dask arrays, lazy.

    Notes
    -----
    Let ``x[0] <= ... <= x[n - 1]`` be the values that count and ``h = q (n - 1) = i + f`` with a whole number i and
    ``0 <= f < 1``. The quantile is ``x[i] + f (x[i + 1] - x[i])``: type 7 of [1]_, the default of `numpy.quantile`. Of
    finite data it has the bits that NumPy gives for the same values in float64 (but for the sign of a zero, which is
    always positive, and where the difference of two values overflows, which NumPy lets become infinite). Values that a
    quantile falls on are exact, rounded once to float64, also integers beyond 2^53.

    bool, 8- and 16-bit integers are counted block by block, without a copy of the data, and the result holds the
    histogram: 16 bytes for every different value of a channel, which is at most 1 MiB per channel; it can be merged.
    Counting takes some 32 MiB, and several times what the histogram takes. Values of other dtypes are ordered in
    memory: every thread copies (float16: as float32) as many channels as have 2^18 values together, or one longer
    channel; of channels with more than 2^20 values one is copied at a time, whole.

    References
    ----------
    .. [1] R. J. Hyndman, Y. Fan, "Sample quantiles in statistical packages", Am. Stat. 50 (1996).

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> x = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 50.0]])
    >>> fastbn.channel_quantiles(x, 0.5).values
    array([ 2., 20.])
    >>> fastbn.channel_quantiles(x, [0.25, 0.75], channel_axis=None).values
    array([ 2.5, 17.5])
    """
    wanted = check_quantiles(q)
    refuse_device(x, "x", "where quantiles are computed")
    operand, axes = open_data(x, channel_axis, nan_policy, where, nodata)
    return _quantiles(operand, axes, wanted, nan_policy)


def _quantiles(operand: Operand, axes: Axes, q: float | tuple[float, ...], nan_policy: str) -> ChannelQuantiles:
    """Quantiles of checked data."""
    if has_histogram(operand.original):
        histogram = histogram_of(operand, axes)
        missing = axes.values - histogram.total().reshape(axes.shape)
        return counted(histogram, q, axes.shape, operand.original, missing, None)
    wanted = np.atleast_1d(np.array(q))
    ordered = order(operand, axes, wanted)
    if nan_policy == "raise":
        refuse_channels(ordered.unknown, axes)
    values, missing = quantiles_of(ordered, wanted), np.asarray(axes.values - ordered.counted)
    return ChannelQuantiles(Contents(q, values, ordered.counted, missing, operand.original, None, None))

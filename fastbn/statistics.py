"""Per-channel statistics of an array."""

import numpy.typing as npt

from ._apply import fit
from ._channel_stats import ChannelStats
from ._kinds import of_any_kind
from ._layout import ChannelAxis
from ._opening import open_data, refuse_weights
from ._scalars import check_method

__all__ = ["ChannelStats", "channel_stats"]


@of_any_kind
def channel_stats(
    x: npt.ArrayLike,
    channel_axis: ChannelAxis = 1,
    *,
    nan_policy: str = "propagate",
    where: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    nodata: npt.ArrayLike | None = None,
    method: str = "compensated",
) -> ChannelStats:
    """Count, mean, variance, minimum and maximum of every channel, in one pass.

    Parameters
    ----------
    x : array_like
        Numbers of any rank: float16, float32, float64, bool or integers. It is neither changed nor copied whole.
    channel_axis : int, tuple of int, or None, default 1
        The axis (or axes) that is *kept*; all others are reduced. None: the whole array is one channel.
    nan_policy : {"propagate", "omit", "raise"}, default "propagate"
        A NaN makes its channel's mean, variance, min and max NaN; or does not count; or is an error.
    where : array_like of bool, optional
        Only values where it is True count. It broadcasts to `x`. The mask of a ``numpy.ma.MaskedArray`` does the same.
    weights : array_like, optional
        How often a value counts: finite numbers >= 0 that broadcast to `x` (per row, per latitude, per pixel); integers
        up to 2^53. A value of weight 0 is absent. Mean and variance are those of data in which values are repeated so
        often; `ddof` is subtracted from the sum of the weights. The errors are those of the other data, as long as the
        weights times the squares of the values are in the range of float64, also over the largest weight.
    nodata : scalar or array_like, optional
        A value that stands for no value, or one per channel; compared in the dtype of `x`. NaN may be one; in integer
        data it says that a channel has none.
    method : {"compensated", "exact"}, default "compensated"
        "exact": mean, variance and standard deviation are the correctly rounded values of those of the stored numbers,
        so neither order nor layout, cut or merge can change a bit, and there is no limit of range. It takes about the
        same time for float32 and 1.2 to 1.4 times as long for float64; small arrays take 4 to 6 times as long.

    Returns
    -------
    ChannelStats
        With per-channel vectors of the shape of the kept axes, in array order. Mean, standard deviation, minimum and
        maximum are in the units of `x`, the variance in their square.

    Raises
    ------
    ValueError
        If `channel_axis`, `where`, `weights` or `nodata` does not fit `x`, a weight is negative, NaN or infinite,
        `nan_policy` or `method` is unknown, there are weights for ``method="exact"``, or there is a NaN with
        ``nan_policy="raise"``.
    TypeError
        If a dtype is not supported, or an argument has another type.

    See Also
    --------
    channel_quantiles : The median and other quantiles.
    zscore : Normalize with these statistics.
    ChannelStats.update : Add the statistics of more data.
    fastbn.dask.channel_stats : The same of Dask arrays, lazy.

    Notes
    -----
    With weights w, which are 1 if none are given, and ``W = sum(w)``: ``mean = sum(w x) / W`` and
    ``var = m2 / (W - ddof)`` with ``m2 = sum(w (x - mean)^2)``.

    The mean is within 1 ulp (while ``sum|x| / |sum x| <= 1e15``) and the variance within 2 ulp of the exact values of
    the stored numbers, whatever the mean; for bool, 8- and 16-bit integers and float16 both are correctly rounded.
    Sums are compensated by error-free transformations [1]_. Parts a and b are merged pairwise, in two words [2]_:
    ``mean = mean_a + d W_b / W`` and ``m2 = m2_a + m2_b + d^2 W_a W_b / W`` with ``d = mean_b - mean_a``. The bits do
    not depend on the number of threads.

    References
    ----------
    .. [1] T. Ogita, S. M. Rump, S. Oishi, "Accurate sum and dot product", SIAM J. Sci. Comput. 26 (2005).
    .. [2] T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance", Am. Stat. 37 (1983).

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> stats = fastbn.channel_stats(np.array([[1, 10], [3, 30]]))
    >>> stats.mean
    array([ 2., 20.])
    >>> stats.var(ddof=1)
    array([  2., 200.])
    >>> stats = fastbn.channel_stats(np.array([[1.0, 10], [np.nan, 20], [3, 30]]), nan_policy="omit")
    >>> stats.mean, stats.n_missing
    (array([ 2., 20.]), array([1, 0]))
    """
    check_method(method)
    operand, axes = open_data(x, channel_axis, nan_policy, where, nodata, weights)
    refuse_weights(weights, method)
    return fit(operand, axes, None, method, nan_policy)

"""Scaling of an array per channel by its median and a range of its quantiles."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ._algebra import finite_or_zero, multiply_words, two_sum
from ._apply import CONSTANT_FACTOR, apply, reduce, refuse_nan
from ._arrays import channel_vector, prepare_output
from ._backends import MOMENT_ROWS, Moments
from ._channel_quantiles import ChannelQuantiles
from ._checks import check_quantiles_of
from ._kernels.sums import COUNTED, M2, M2_TAIL, MEAN
from ._kinds import of_any_kind
from ._layout import ChannelAxis
from ._opening import as_masked, open_data
from ._scalars import check_choice, check_flag, check_quantile_range
from .quantiles import channel_quantiles

__all__ = ["robust_scale"]

_MOST = 1000  # powers of two by which ranges are scaled, so that their squares are normal numbers


@of_any_kind
def robust_scale(
    x: npt.ArrayLike,
    channel_axis: ChannelAxis = 1,
    *,
    quantile_range: tuple[float, float] = (25.0, 75.0),
    stats: ChannelQuantiles | None = None,
    nan_policy: str = "propagate",
    where: npt.ArrayLike | None = None,
    nodata: npt.ArrayLike | None = None,
    on_constant: str = "zero",
    return_stats: bool = False,
    out: np.ndarray | None = None,
    dtype: npt.DTypeLike | None = None,
) -> Any:
    """Shift and scale every channel by its median and the range of its quantiles: ``(x - median) / (hi - lo)``.

    Unlike mean and standard deviation, these hardly move with a few outliers.

    Parameters
    ----------
    x : array_like
        Numbers of any rank: float16, float32, float64, bool or integers.
    channel_axis : int, tuple of int, or None, default 1
        The axis (or axes) that is kept.
    quantile_range : (float, float), default (25.0, 75.0)
        Which quantiles are `lo` and `hi`, in percent: ``0 <= lo < hi <= 100``.
    stats : ChannelQuantiles, optional
        Taken instead of the quantiles of `x`: they have to hold these two and the median, or a histogram.
    nan_policy : {"propagate", "omit", "raise"}, default "propagate"
        What a NaN does, as in `zscore`.
    where : array_like of bool, optional
        Only values where it is True count, as in `channel_stats`. All of `x` is scaled.
    nodata : scalar or array_like, optional
        A value that stands for no value, or one per channel, as in `zscore`.
    on_constant : {"zero", "nan", "raise"}, default "zero"
        What becomes of a channel whose range is exactly 0: 0, NaN, or a ValueError.
    return_stats : bool, default False
        Return ``(y, stats)``.
    out : ndarray, optional
        Receives the result, as in `zscore`.
    dtype : dtype, optional
        Of the result, as in `zscore`.

    Returns
    -------
    ndarray, or (ndarray, ChannelQuantiles)
        Of the shape of `x`: distances from the median in interquartile ranges (or those of `quantile_range`), without
        units.

    Raises
    ------
    ValueError, TypeError
        As in `zscore`, and if `stats` has not the quantiles that are needed.

    See Also
    --------
    channel_quantiles : The quantiles.
    zscore : Normalize with mean and standard deviation.
    minmax_scale : Stretch between two quantiles.

    Notes
    -----
    The formula and its arguments are those of scikit-learn's ``RobustScaler`` [1]_, the quantiles those of
    `channel_quantiles` [2]_. The median is subtracted first, and the range is held in two words: the error stays within
    1 ulp of the output.
    Quantiles are float64 numbers: 64-bit integers whose quartiles are the same when rounded to these count as constant.
    One over a range below 2^-1022, a subnormal number, may be infinite, and the results with it.
    Memory is that of `channel_quantiles`.

    References
    ----------
    .. [1] F. Pedregosa et al., "Scikit-learn: machine learning in Python", J. Mach. Learn. Res. 12 (2011).
    .. [2] R. J. Hyndman, Y. Fan, "Sample quantiles in statistical packages", Am. Stat. 50 (1996).

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> fastbn.robust_scale(np.array([[1.0], [2.0], [3.0], [4.0], [1000.0]])).ravel()
    array([ -1. ,  -0.5,   0. ,   0.5, 498.5])
    """
    check_choice("on_constant", on_constant, CONSTANT_FACTOR)
    return_stats = check_flag("return_stats", return_stats)
    lo, hi = check_quantile_range(quantile_range)
    operand, axes = open_data(x, channel_axis, nan_policy, where, nodata)
    if stats is not None:
        check_quantiles_of(stats, axes)
        values = _needed(stats, (lo, 0.5, hi))
    y, target = prepare_output(x, operand, out, dtype)
    if stats is None:
        stats = channel_quantiles(x, (lo, 0.5, hi), channel_axis, nan_policy=nan_policy, where=where, nodata=nodata)
        values = stats.values
    elif nan_policy == "raise":
        refuse_nan(reduce(operand, axes), axes)
    moments, unit = _as_moments(*values.reshape(3, -1))
    zero = channel_vector(None, "beta", axes.shape, 0.0)
    apply(operand, axes, moments, unit, zero, 0.0, 0, on_constant, target)
    y = as_masked(x, y, out)
    return (y, stats) if return_stats else y


def _needed(stats: ChannelQuantiles, q: tuple[float, ...]) -> np.ndarray:
    try:
        return stats.quantile(q)
    except ValueError as error:
        raise ValueError(f"stats: cannot give the quantiles {q}: {error}") from None


def _as_moments(low: np.ndarray, median: np.ndarray, high: np.ndarray) -> tuple[Moments, np.ndarray]:
    """Moments of mean ``median`` and variance ``(unit (high - low))^2``, and this power of two.

    ``unit`` is then gamma. It keeps the square, which stands in two words, where these are exact.
    """
    exponent = np.frexp(np.maximum(np.abs(low), np.abs(high)))[1]
    unit = np.ldexp(1.0, -np.clip(exponent, -_MOST, _MOST))
    with np.errstate(all="ignore"):
        head, tail = two_sum(high * unit, -low * unit)
        square, rest = multiply_words(head, finite_or_zero(tail), head, finite_or_zero(tail))
        state = np.zeros((MOMENT_ROWS, median.size))
        state[COUNTED], state[MEAN] = 1.0, median
        state[M2], state[M2_TAIL] = np.where(np.isfinite(head), square, head), finite_or_zero(rest)
    return Moments(state, median, median), unit

"""Normalization of an array per channel, and back: z-score, min-max, given statistics.

Long for its documentation: the work is done in `_apply` and by backends.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ._apply import CONSTANT_FACTOR, CONSTANT_WIDTH, apply, fit, fit_apply, reduce, refuse_constant, wrap
from ._arrays import INVERSE_OUTPUTS, channel_vector, on_host, prepare_output, transform_of
from ._backends import current
from ._channel_quantiles import ChannelQuantiles
from ._channel_stats import ChannelStats
from ._checks import check_extremes, check_stats
from ._kinds import of_any_kind
from ._layout import ChannelAxis
from ._opening import as_masked, open_data, refuse_weights
from ._scalars import check_choice, check_ddof, check_eps, check_feature_range, check_flag, check_method
from ._selection import kept_nodata

__all__ = ["denormalize", "minmax_scale", "minmax_unscale", "normalize", "zscore"]

Array = np.ndarray


@of_any_kind
def zscore(
    x: npt.ArrayLike,
    channel_axis: ChannelAxis = 1,
    *,
    ddof: int = 0,
    eps: float = 0.0,
    stats: ChannelStats | None = None,
    nan_policy: str = "propagate",
    where: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    nodata: npt.ArrayLike | None = None,
    method: str = "compensated",
    on_constant: str = "zero",
    return_stats: bool = False,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
) -> Any:
    """Shift and scale every channel to mean 0 and variance 1: ``(x - mean) / sqrt(var + eps)``.

    Parameters
    ----------
    x : array_like
        Numbers of any rank: float16, float32, float64, bool or integers.
    channel_axis : int, tuple of int, or None, default 1
        The axis (or axes) that is kept.
    ddof : int, default 0
        Delta degrees of freedom of the variance.
    eps : float, default 0.0
        Added to the variance, in the units of `x` squared.
    stats : ChannelStats, optional
        Taken instead of the statistics of `x` (fit on one set, apply to another).
    nan_policy : {"propagate", "omit", "raise"}, default "propagate"
        A NaN makes its channel NaN; or does not count, and stays NaN alone; or is an error.
    where : array_like of bool, optional
        Only values where it is True count, as in `channel_stats`. All of `x` is normalized.
    weights : array_like, optional
        How often a value counts, as in `channel_stats`.
    nodata : scalar or array_like, optional
        A value that stands for no value, or one per channel, as in `channel_stats`. It stays where the output dtype can
        hold it, and else becomes NaN.
    method : {"compensated", "exact"}, default "compensated"
        How the statistics of `x` are computed, as in `channel_stats`.
    on_constant : {"zero", "nan", "raise"}, default "zero"
        What becomes of a channel whose variance is exactly 0 (with ``eps == 0``): 0, NaN, or a ValueError.
    return_stats : bool, default False
        Return ``(y, stats)``.
    out : ndarray, optional
        Receives the result: of the right shape and dtype, `x` itself or without overlap. Then nothing of full size is
        allocated.
    dtype : dtype, optional
        One of float16, float32 and float64. Default: the dtype of `x` if it is one of these, else float32 for bool and
        integers up to 16 bits, float64 for longer ones.

    Returns
    -------
    ndarray, or (ndarray, ChannelStats)
        The z-scores, of the shape of `x`: distances from the mean in standard deviations, without units.

    Raises
    ------
    ValueError
        If an argument does not fit `x`, or for a constant channel with ``on_constant="raise"``. Nothing is written
        then.
    TypeError
        If a dtype is not supported, or an argument has another type.

    See Also
    --------
    denormalize : Undo it.
    normalize : The same with given statistics, and with gamma and beta.
    robust_scale : Normalize with quantiles, which outliers hardly move.
    batch_norm : The same as a layer of a network.
    fastbn.sklearn.StandardScaler : The same as an estimator.

    Notes
    -----
    Z-score normalization [1]_ with the biased variance, unless `ddof` says otherwise. The mean is subtracted first, in
    two words [2]_, and nothing is folded into ``a*x + b``: the error stays within 1 ulp of the output whatever
    ``abs(mean) / std``.

    References
    ----------
    .. [1] J. Han, M. Kamber, J. Pei, "Data mining: concepts and techniques", 3rd ed. (2012), section 3.5.
    .. [2] T. J. Dekker, "A floating-point technique for extending the available precision", Numer. Math. 18 (1971).

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> fastbn.zscore(np.array([[1.0, 5.0], [3.0, 5.0]]))
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    check_method(method)
    check_choice("on_constant", on_constant, CONSTANT_FACTOR)
    return_stats = check_flag("return_stats", return_stats)
    operand, axes = open_data(x, channel_axis, nan_policy, where, nodata, weights)
    ddof, eps = check_ddof(ddof), check_eps(eps)
    refuse_weights(weights, method)
    if stats is not None:
        check_stats(stats, axes)
    y, target = prepare_output(x, operand, out, dtype)
    gamma, beta = channel_vector(None, "gamma", axes.shape, 1.0), channel_vector(None, "beta", axes.shape, 0.0)
    if stats is None and method == "compensated" and "raise" not in (on_constant, nan_policy) and nodata is None:
        moments = fit_apply(operand, axes, gamma, beta, eps, ddof, CONSTANT_FACTOR[on_constant], target)
        stats = wrap(moments, axes, operand) if return_stats else None
    else:
        stats = fit(operand, axes, stats, method, nan_policy)
        apply(operand, axes, stats.moments(operand.stored), gamma, beta, eps, ddof, on_constant, target)
    y = as_masked(x, y, out)
    return (y, stats) if return_stats else y


@of_any_kind
def normalize(
    x: npt.ArrayLike,
    stats: ChannelStats,
    channel_axis: ChannelAxis = 1,
    *,
    gamma: npt.ArrayLike | None = None,
    beta: npt.ArrayLike | None = None,
    ddof: int = 0,
    eps: float = 0.0,
    on_constant: str = "zero",
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
) -> Array:
    """Normalize with given statistics: ``(x - mean) / sqrt(var + eps) * gamma + beta``.

    Parameters
    ----------
    x : array_like
        Numbers of any rank: float16, float32, float64, bool or integers.
    stats : ChannelStats
        Of as many channels as `x` has.
    channel_axis : int, tuple of int, or None, default 1
        The axis (or axes) that is kept.
    gamma, beta : array_like, optional
        Scale and shift, of the shape of the kept axes; 1 and 0 if not given.
    ddof : int, default 0
        Delta degrees of freedom of the variance.
    eps : float, default 0.0
        Added to the variance, in the units of `x` squared.
    on_constant : {"zero", "nan", "raise"}, default "zero"
        What becomes of a channel whose variance is exactly 0 (with ``eps == 0``): `beta`, NaN, or a ValueError.
    out : ndarray, optional
        Receives the result, as in `zscore`.
    dtype : dtype, optional
        Of the result, as in `zscore`.

    Returns
    -------
    ndarray
        Of the shape of `x`, in the units of `gamma` and `beta`; without units if these have none.

    Raises
    ------
    ValueError, TypeError
        As in `zscore`.

    See Also
    --------
    denormalize : Undo it.
    zscore : The same with the statistics of the data.
    channel_stats : The statistics.

    Notes
    -----
    Z-score normalization [1]_, then the scale and the shift of batch normalization [2]_. The mean is subtracted first,
    in two words, as in `zscore`.

    References
    ----------
    .. [1] J. Han, M. Kamber, J. Pei, "Data mining: concepts and techniques", 3rd ed. (2012), section 3.5.
    .. [2] S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
       covariate shift", ICML 2015.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> stats = fastbn.ChannelStats.from_moments(100, [10.0, 20.0], [4.0, 25.0])
    >>> fastbn.normalize([[12.0, 20.0]], stats, beta=[0.0, 7.0])
    array([[1., 7.]])
    """
    check_choice("on_constant", on_constant, CONSTANT_FACTOR)
    operand, axes = open_data(x, channel_axis)
    check_stats(stats, axes)
    ddof, eps = check_ddof(ddof), check_eps(eps)
    scale = channel_vector(gamma, "gamma", axes.shape, 1.0, operand.stored)
    shift = channel_vector(beta, "beta", axes.shape, 0.0, operand.stored)
    y, target = prepare_output(x, operand, out, dtype)
    apply(operand, axes, stats.moments(operand.stored), scale, shift, eps, ddof, on_constant, target)
    return as_masked(x, y, out)


@of_any_kind
def denormalize(
    y: npt.ArrayLike,
    stats: ChannelStats,
    channel_axis: ChannelAxis = 1,
    *,
    gamma: npt.ArrayLike | None = None,
    beta: npt.ArrayLike | None = None,
    ddof: int = 0,
    eps: float = 0.0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
) -> Array:
    """Undo `normalize`: ``(y - beta) / gamma * sqrt(var + eps) + mean``.

    Parameters
    ----------
    y : array_like
        What `normalize` or `zscore` returned.
    stats : ChannelStats
        The statistics that were used.
    channel_axis : int, tuple of int, or None, default 1
        The axis (or axes) that is kept.
    gamma, beta : array_like, optional
        As they were used; no `gamma` may be 0.
    ddof : int, default 0
        As it was used.
    eps : float, default 0.0
        As it was used.
    out : ndarray, optional
        Receives the result, as in `zscore`.
    dtype : dtype, optional
        As in `zscore`, or an integer dtype: results are rounded to the nearest, ties to even, and stop at its ends; NaN
        gives 0.

    Returns
    -------
    ndarray
        Of the shape of `y`, in the units of the data that `stats` are of. Within 2 ulp of ``max(abs(x), abs(mean))``;
        the constant itself for a constant channel (as float64 holds it).

    Raises
    ------
    ValueError, TypeError
        As in `zscore`, and if a `gamma` is 0, for that cannot be undone.

    See Also
    --------
    normalize : What it undoes.
    zscore : What it undoes.
    minmax_unscale : Undo `minmax_scale`.

    Notes
    -----
    The formula of `normalize` [1]_, solved for x; mean and coefficients are in two words, as there.

    References
    ----------
    .. [1] J. Han, M. Kamber, J. Pei, "Data mining: concepts and techniques", 3rd ed. (2012), section 3.5.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> y, stats = fastbn.zscore(np.array([[280.0], [281.0]]), return_stats=True)
    >>> fastbn.denormalize(y, stats)
    array([[280.],
           [281.]])
    """
    operand, axes = open_data(y, channel_axis, name="y")
    check_stats(stats, axes)
    ddof, eps = check_ddof(ddof), check_eps(eps)
    scale = channel_vector(gamma, "gamma", axes.shape, 1.0, operand.stored)
    shift = channel_vector(beta, "beta", axes.shape, 0.0, operand.stored)
    if (on_host(scale) == 0.0).any():
        raise ValueError("gamma: got 0 in a channel; wants numbers other than 0, for 0 cannot be undone")
    x, target = prepare_output(y, operand, out, dtype, "y", INVERSE_OUTPUTS)
    if operand.stored.size:
        backend = current(operand.stored)
        coefficients = backend.destandardize(stats.moments(operand.stored), scale, shift, eps, ddof)
        backend.map_channels(operand, axes, transform_of(target.output), coefficients, target)
    return as_masked(y, x, out)


@of_any_kind
def minmax_scale(
    x: npt.ArrayLike,
    channel_axis: ChannelAxis = 1,
    *,
    feature_range: tuple[float, float] = (0.0, 1.0),
    clip: bool = False,
    stats: ChannelStats | ChannelQuantiles | None = None,
    nan_policy: str = "propagate",
    where: npt.ArrayLike | None = None,
    nodata: npt.ArrayLike | None = None,
    method: str = "compensated",
    on_constant: str = "zero",
    return_stats: bool = False,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
) -> Any:
    """Map every channel's range onto `feature_range`: ``lo + (x - min) / (max - min) * (hi - lo)``.

    Parameters
    ----------
    x : array_like
        Numbers of any rank: float16, float32, float64, bool or integers.
    channel_axis : int, tuple of int, or None, default 1
        The axis (or axes) that is kept.
    feature_range : (float, float), default (0.0, 1.0)
        ``(lo, hi)`` with ``lo < hi``. The minimum maps to `lo` and the maximum to `hi` exactly; what lies between
        stays between.
    clip : bool, default False
        Clip what lies outside the fitted range.
    stats : ChannelStats or ChannelQuantiles, optional
        Taken instead of the statistics of `x`. The first and the last of quantiles stand for minimum and maximum: with
        those of 0.02 and 0.98 and ``clip=True`` this is the stretch of images by their 2 and 98 %.
    nan_policy : {"propagate", "omit", "raise"}, default "propagate"
        A NaN makes its channel NaN; or does not count, and stays NaN alone; or is an error.
    where : array_like of bool, optional
        Only values where it is True count, as in `channel_stats`. All of `x` is scaled.
    nodata : scalar or array_like, optional
        A value that stands for no value, or one per channel, as in `zscore`.
    method : {"compensated", "exact"}, default "compensated"
        How the statistics of `x` are computed, as in `channel_stats`.
    on_constant : {"zero", "nan", "raise"}, default "zero"
        What becomes of a channel with ``min == max``: `lo`, NaN, or a ValueError.
    return_stats : bool, default False
        Return ``(y, stats)``.
    out : ndarray, optional
        Receives the result, as in `zscore`.
    dtype : dtype, optional
        Of the result, as in `zscore`.

    Returns
    -------
    ndarray, or (ndarray, ChannelStats or ChannelQuantiles)
        Of the shape of `x`, in the units of `feature_range`, usually none.

    Raises
    ------
    ValueError, TypeError
        As in `zscore`, and if `stats` does not know the extremes, or are fewer than two quantiles.

    See Also
    --------
    minmax_unscale : Undo it.
    zscore : Normalize with mean and standard deviation.
    channel_quantiles : Ends that outliers hardly move.
    fastbn.sklearn.MinMaxScaler : The same as an estimator.

    Notes
    -----
    Min-max normalization [1]_. Values are counted from the nearer end of the range, those in its upper half as
    ``hi - (max - x) / (max - min) * (hi - lo)``, so that both ends are exact.

    References
    ----------
    .. [1] J. Han, M. Kamber, J. Pei, "Data mining: concepts and techniques", 3rd ed. (2012), section 3.5.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> fastbn.minmax_scale(np.array([[10, 5], [20, 5], [30, 5]], dtype=np.uint8))
    array([[0. , 0. ],
           [0.5, 0. ],
           [1. , 0. ]], dtype=float32)
    >>> x = np.arange(101.0).reshape(101, 1)
    >>> fastbn.minmax_scale(x, stats=fastbn.channel_quantiles(x, [0.02, 0.98]), clip=True)[[0, 2, 50, 98, 100], 0]
    array([0. , 0. , 0.5, 1. , 1. ])
    """
    check_method(method)
    check_choice("on_constant", on_constant, CONSTANT_WIDTH)
    clip, return_stats = check_flag("clip", clip), check_flag("return_stats", return_stats)
    operand, axes = open_data(x, channel_axis, nan_policy, where, nodata)
    onto = check_feature_range(feature_range)
    if stats is not None:
        check_extremes(stats, axes, operand.stored)
    y, target = prepare_output(x, operand, out, dtype)
    if stats is None and method == "compensated" and nan_policy != "raise" and operand.selection is None:
        moments = reduce(operand, axes)
        stats = wrap(moments, axes, operand) if return_stats else None
    else:
        stats = fit(operand, axes, stats, method, nan_policy)
        moments = stats.moments(operand.stored)
    if on_constant == "raise":
        found = moments.fetched()
        constant = (found.least == found.greatest) & np.isfinite(found.least)
        refuse_constant(constant & (found.state[0] > 0), axes)
    if operand.stored.size:
        backend = current(operand.stored)
        coefficients = backend.rescale(moments, onto, 0.0 if clip else -math.inf, CONSTANT_WIDTH[on_constant])
        backend.map_channels(operand, axes, "rescale", coefficients, target, kept_nodata(operand, target.output))
    y = as_masked(x, y, out)
    return (y, stats) if return_stats else y


@of_any_kind
def minmax_unscale(
    y: npt.ArrayLike,
    stats: ChannelStats | ChannelQuantiles,
    channel_axis: ChannelAxis = 1,
    *,
    feature_range: tuple[float, float] = (0.0, 1.0),
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
) -> Array:
    """Undo `minmax_scale`: ``min + (y - lo) / (hi - lo) * (max - min)``.

    Parameters
    ----------
    y : array_like
        What `minmax_scale` returned.
    stats : ChannelStats or ChannelQuantiles
        The statistics that were used.
    channel_axis : int, tuple of int, or None, default 1
        The axis (or axes) that is kept.
    feature_range : (float, float), default (0.0, 1.0)
        As it was used.
    out : ndarray, optional
        Receives the result, as in `zscore`.
    dtype : dtype, optional
        Of the result, as in `denormalize`.

    Returns
    -------
    ndarray
        Of the shape of `y`, in the units of the data that `stats` are of. `lo` gives the minimum and `hi` the maximum
        exactly (as float64 holds them).

    Raises
    ------
    ValueError, TypeError
        As in `minmax_scale`.

    See Also
    --------
    minmax_scale : What it undoes.
    denormalize : Undo `zscore` and `normalize`.

    Notes
    -----
    Min-max normalization [1]_ from `feature_range` onto the range of the data, as `minmax_scale` does it.

    References
    ----------
    .. [1] J. Han, M. Kamber, J. Pei, "Data mining: concepts and techniques", 3rd ed. (2012), section 3.5.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> y, stats = fastbn.minmax_scale(np.array([[10.0], [20.0], [30.0]]), return_stats=True)
    >>> fastbn.minmax_unscale(y, stats)
    array([[10.],
           [20.],
           [30.]])
    """
    operand, axes = open_data(y, channel_axis, name="y")
    check_extremes(stats, axes, operand.stored)
    interval = check_feature_range(feature_range)
    x, target = prepare_output(y, operand, out, dtype, "y", INVERSE_OUTPUTS)
    if operand.stored.size:
        backend = current(operand.stored)
        coefficients = backend.unscale(stats.moments(operand.stored), interval)
        backend.map_channels(operand, axes, "rescale", coefficients, target)
    return as_masked(y, x, out)

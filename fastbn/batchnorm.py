"""Batch normalization of an array."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ._apply import apply, fit, fit_apply, wrap
from ._arrays import channel_vector, given_back, prepare_output, transform_of
from ._backends import current
from ._channel_stats import ChannelStats
from ._checks import check_stats
from ._gradients import BatchNormGradients, nothing, open_gradient
from ._kinds import of_any_kind
from ._layout import ChannelAxis
from ._opening import as_masked, open_data
from ._running import Default, check_apart, check_convention, open_running, weights
from ._scalars import check_eps, check_flag, check_method
from ._selection import Kept

__all__ = ["BatchNormGradients", "batch_norm", "batch_norm_backward"]


@of_any_kind
def batch_norm(
    x: npt.ArrayLike,
    gamma: npt.ArrayLike | None = None,
    beta: npt.ArrayLike | None = None,
    *,
    running_mean: np.ndarray | None = None,
    running_var: np.ndarray | None = None,
    training: bool = True,
    momentum: float | Default = Default.CONVENTION,
    eps: float | Default = Default.CONVENTION,
    channel_axis: ChannelAxis = 1,
    convention: str = "torch",
    nan_policy: str = "propagate",
    where: npt.ArrayLike | None = None,
    method: str = "compensated",
    return_stats: bool = False,
    out: np.ndarray | None = None,
) -> Any:
    """Batch normalization: ``(x - mean) / sqrt(var + eps) * gamma + beta`` per channel.

    Parameters
    ----------
    x : array_like
        The batch, numbers of any rank: (N, C), (N, C, L), (N, C, H, W), ...
    gamma, beta : array_like, optional
        Learnable scale and shift, of the shape of the kept axes; 1 and 0 if not given.
    running_mean, running_var : ndarray of float, optional
        Running statistics, both or neither. In training they are updated in place as the convention says, both in one
        step at the end: a call that fails leaves them as they were, and an interrupt (Ctrl-C) finds both old or both
        new. In evaluation they are required and only read.
    training : bool, default True
        Normalize with the mean and the biased variance of the batch; else with the running statistics.
    momentum : float, optional
        Weight of the new value (torch) or of the old one (keras, onnx), in [0, 1].
    eps : float, optional
        Added to the variance, in the units of `x` squared.
    channel_axis : int, tuple of int, or None, default 1
        The axis (or axes) that is kept.
    convention : {"torch", "keras", "onnx"}, default "torch"
        Whose rules the running statistics follow, and whose defaults count:

        - torch: ``(1 - momentum) * running + momentum * batch`` with the unbiased variance; momentum 0.1, eps 1e-5.
        - keras: ``momentum * running + (1 - momentum) * batch`` with the biased variance; momentum 0.99, eps 1e-3.
        - onnx: as keras; momentum 0.9, eps 1e-5.
    nan_policy : {"propagate", "omit", "raise"}, default "propagate"
        A NaN makes its channel NaN, and its running statistics too; or does not count, and stays NaN alone; or is an
        error.
    where : array_like of bool, optional
        Only values where it is True enter the statistics of the batch (and so the running ones); it broadcasts to `x`.
        All are normalized.
    method : {"compensated", "exact"}, default "compensated"
        How the statistics of the batch are computed, as in `channel_stats`.
    return_stats : bool, default False
        Return ``(y, stats)``; in evaluation these are the running statistics, as those of a count of 1.
    out : ndarray, optional
        Receives the result, as in `zscore`.

    Returns
    -------
    ndarray, or (ndarray, ChannelStats)
        Of the shape of `x`, in the units of `gamma` and `beta`, which usually have none. An empty batch gives an empty
        result and leaves the running statistics alone. So does a channel of which too little counts for the variance of
        the convention: nothing, or with torch one value.

    Raises
    ------
    ValueError
        If there is only one value per channel in training, running statistics are missing, or an argument does not fit.
        Nothing is written then.
    TypeError
        If a dtype is not supported, or an argument has another type.

    See Also
    --------
    batch_norm_backward : Its gradients.
    BatchNorm : A layer that holds parameters and running statistics.
    zscore : The same for data, without parameters.
    instance_norm : Normalize each channel of each sample.
    group_norm : Normalize groups of channels of each sample.
    layer_norm : Normalize over some axes.

    Notes
    -----
    Calls from several threads may share everything that is only read. Those that train with the same running
    statistics at the same time do not wait for each other, as in PyTorch: updates may be lost, and one call's mean be
    left beside another's variance. Use a lock around them.

    The four steps of [1]_, for the n values of a channel that count: ``mean = sum(x) / n``,
    ``var = sum((x - mean)^2) / n``, ``xhat = (x - mean) / sqrt(var + eps)`` and ``y = gamma xhat + beta``.

    References
    ----------
    .. [1] S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
       covariate shift", ICML 2015.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> mean, var = np.zeros(1), np.ones(1)
    >>> y = fastbn.batch_norm(np.array([[1.0], [3.0]]), running_mean=mean, running_var=var, eps=0.0)
    >>> y
    array([[-1.],
           [ 1.]])
    >>> mean, var
    (array([0.2]), array([1.1]))
    """
    check_method(method)
    training, return_stats = check_flag("training", training), check_flag("return_stats", return_stats)
    operand, axes = open_data(x, channel_axis, nan_policy, where)
    rules = check_convention(convention, momentum, eps)
    scale = channel_vector(gamma, "gamma", axes.shape, 1.0, operand.stored)
    shift = channel_vector(beta, "beta", axes.shape, 0.0, operand.stored)
    given = {"running_mean": running_mean, "running_var": running_var}
    running = open_running(given, axes, training, operand.stored)
    mean, var = running.values()
    if training and axes.values == 1 and operand.stored.size:
        raise ValueError(f"x: got shape {operand.stored.shape}, one value per channel; wants more in training")
    y, target = prepare_output(x, operand, out, None)
    stats = None
    if training:
        others = {"x": operand.stored} if out is None else {"x": operand.stored, "out": target.stored}
        check_apart(running, others)
        if method == "exact" or nan_policy == "raise":
            stats = fit(operand, axes, None, method, nan_policy)
            moments = stats.moments(operand.stored)
            apply(operand, axes, moments, scale, shift, rules.eps, 0, "zero", target)
        else:
            moments = fit_apply(operand, axes, scale, shift, rules.eps, 0, 0.0, target)
    else:
        assert mean is not None
        assert var is not None
        moments = current(operand.stored).moments_of(mean, var)
        if nan_policy == "raise":
            fit(operand, axes, None, method, nan_policy)
        apply(operand, axes, moments, scale, shift, rules.eps, 0, "zero", target)
    y = as_masked(x, y, out)
    if return_stats and stats is None:
        known = operand if training else operand._replace(original=np.dtype(np.float64), selection=None)
        stats = wrap(moments, axes, known)
    # Last, when nothing can fail any more: what is updated twice cannot be told from what was once.
    if training and operand.stored.size and mean is not None and var is not None:
        current(operand.stored).update_running(moments, *weights(rules), rules.ddof, mean, var)
    return (y, stats) if return_stats else y


@of_any_kind
def batch_norm_backward(
    dy: npt.ArrayLike,
    x: npt.ArrayLike,
    stats: ChannelStats,
    gamma: npt.ArrayLike | None = None,
    *,
    eps: float = 1e-5,
    training: bool = True,
    channel_axis: ChannelAxis = 1,
    where: npt.ArrayLike | None = None,
    out: np.ndarray | None = None,
) -> BatchNormGradients:
    """Gradients of batch normalization.

    Parameters
    ----------
    dy : array_like of float
        Gradient of the loss with respect to the output, of the shape of `x`.
    x : array_like
        The batch that was normalized.
    stats : ChannelStats
        What `batch_norm` returned with ``return_stats=True``.
    gamma : array_like, optional
        As it was used.
    eps : float, default 1e-5
        As it was used, in the units of `x` squared.
    training : bool, default True
        As it was used.
    channel_axis : int, tuple of int, or None, default 1
        As it was used.
    where : array_like of bool, optional
        As it was used, or True where values that were left out as NaN are none: elsewhere `dx` is 0, and `dy` counts
        for nothing. The mask of a ``numpy.ma.MaskedArray`` does the same.
    out : ndarray, optional
        Receives `dx`: of the shape and dtype of `dy`; `x` or `dy` itself, or without overlap.

    Returns
    -------
    BatchNormGradients
        ``dx``, of the shape and dtype of `dy` and in its units over those of `x`, and ``dgamma`` and ``dbeta``, float64
        and one number per channel, in the units of `dy`.

    Raises
    ------
    ValueError
        If an argument does not fit `x`. Nothing is written then.
    TypeError
        If a dtype is not supported, or an argument has another type.

    See Also
    --------
    batch_norm : What these are the gradients of.
    BatchNorm.backward : The same in a layer.

    Notes
    -----
    With n values that count in a channel, ``xhat = (x - mean) / sqrt(var + eps)``: ``dbeta = sum(dy)``,
    ``dgamma = sum(dy xhat)`` and, in training, ``dx = gamma / sqrt(var + eps) (dy - dbeta / n - xhat dgamma / n)``
    [1]_. In evaluation mean and variance do not depend on `x`, and ``dx = dy gamma / sqrt(var + eps)``. Sums are
    compensated; 64-bit integers take a temporary array of the size of `x`.

    References
    ----------
    .. [1] S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
       covariate shift", ICML 2015.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> x = np.array([[1.0], [2.0], [6.0]])
    >>> y, stats = fastbn.batch_norm(x, return_stats=True)
    >>> dx, dgamma, dbeta = fastbn.batch_norm_backward(np.array([[1.0], [0.0], [0.0]]), x, stats)
    >>> dbeta, dgamma.round(3)
    (array([1.]), array([-0.926]))
    """
    training = check_flag("training", training)
    operand, axes = open_data(x, channel_axis, where=where)
    check_stats(stats, axes)
    eps = check_eps(eps)
    scale = channel_vector(gamma, "gamma", axes.shape, 1.0, operand.stored)
    incoming = open_gradient(dy, x, operand, out)
    if not operand.stored.size:
        return nothing(incoming, axes.shape)
    backend, moments, target = current(operand.stored), stats.moments(operand.stored), incoming.target
    sums = backend.backward(operand, incoming.dy, axes, moments, scale, eps, target if training else None)
    if not training:
        fixed = backend.without_means(moments)  # a gradient is only scaled
        shift = channel_vector(None, "beta", axes.shape, 0.0)
        coefficients = backend.standardize(fixed, scale, shift, eps, 0, 0.0)
        kept = Kept(operand.selection, np.zeros(axes.shape)) if operand.selection else None
        backend.map_channels(incoming.dy, axes, transform_of(target.output), coefficients, target, kept)
    dgamma, dbeta = (given_back(vector.reshape(axes.shape)) for vector in sums)
    return BatchNormGradients(incoming.dx, dgamma, dbeta)

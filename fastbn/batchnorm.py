"""Batch normalization of an array."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ._apply import apply, fit_apply, statistics_of, wrap
from ._arrays import as_operand, channel_vector, check_separate, overlap, prepare_output
from ._backends import Moments, current
from ._layout import Axes, ChannelAxis, split_axes
from ._scalars import check_eps, check_method, check_nan_policy, check_number

__all__ = ["batch_norm"]


def batch_norm(
    x: npt.ArrayLike,
    gamma: npt.ArrayLike | None = None,
    beta: npt.ArrayLike | None = None,
    *,
    running_mean: np.ndarray | None = None,
    running_var: np.ndarray | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    channel_axis: ChannelAxis = 1,
    nan_policy: str = "propagate",
    method: str = "compensated",
    return_stats: bool = False,
    out: np.ndarray | None = None,
) -> Any:
    """Batch normalization, as PyTorch does it: ``(x - mean) / sqrt(var + eps) * gamma + beta`` per channel.

    Parameters
    ----------
    x : array_like
        The batch, of any rank: (N, C), (N, C, L), (N, C, H, W), ...
    gamma, beta : array_like, optional
        Learnable scale and shift, of the shape of the kept axes; 1 and 0 if not given.
    running_mean, running_var : ndarray of float, optional
        Running statistics, both or neither. In training they are updated in place, after every check, as
        ``(1 - momentum) * running + momentum * batch``, the variance with the unbiased variance of the batch.
        In evaluation they are required and only read.
    training : bool, default True
        Normalize with the mean and the biased variance of the batch; else with the running statistics.
    momentum : float, default 0.1
        Weight of the new value, in [0, 1].
    eps : float, default 1e-5
        Added to the variance.
    channel_axis : int, tuple of int, or None, default 1
        The axis (or axes) that is kept.
    nan_policy : {"propagate"}
        A NaN makes its channel NaN, and its running statistics too.
    method : {"compensated", "exact"}, default "compensated"
        How the statistics of the batch are computed, as in `channel_stats`.
    return_stats : bool, default False
        Return ``(y, stats)``; in evaluation these are the running statistics, as those of a count of 1.
    out : ndarray, optional
        Receives the result, as in `zscore`.

    Returns
    -------
    ndarray, or (ndarray, ChannelStats)
        An empty batch gives an empty result and leaves the running statistics alone.

    Raises
    ------
    ValueError
        If there is only one value per channel in training, running statistics are missing, or an argument does not fit.
        Nothing is written then.
    TypeError
        If a dtype is not supported.

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
    check_nan_policy(nan_policy)
    check_method(method)
    operand = as_operand(x)
    axes = split_axes(operand.stored.shape, channel_axis)
    eps = check_eps(eps)
    weight = _momentum(momentum)
    scale, shift = channel_vector(gamma, "gamma", axes.shape, 1.0), channel_vector(beta, "beta", axes.shape, 0.0)
    _check_running({"running_mean": running_mean, "running_var": running_var}, axes, training)
    if training and axes.values == 1 and operand.stored.size:
        raise ValueError(f"x: got shape {operand.stored.shape}, one value per channel; wants more in training")
    y, target = prepare_output(x, operand, out, None)
    stats = None
    if training:
        others = {"x": operand.stored} if out is None else {"x": operand.stored, "out": y}
        _check_apart({"running_mean": running_mean, "running_var": running_var}, others)
        if method == "exact":
            stats = statistics_of(operand, axes, method)
            moments = stats.moments()
            apply(operand, axes, moments, scale, shift, eps, 0, "zero", target)
        else:
            moments = fit_apply(operand, axes, scale, shift, eps, 0, 0.0, target)
        if operand.stored.size and running_mean is not None and running_var is not None:
            _update(running_mean, running_var, moments, weight)
    else:
        assert running_mean is not None
        assert running_var is not None
        moments = _as_moments(running_mean, running_var)
        apply(operand, axes, moments, scale, shift, eps, 0, "zero", target)
    if not return_stats:
        return y
    if stats is None:
        stats = wrap(moments, axes.shape, operand.original if training else moments.least.dtype)
    return y, stats


def _as_moments(mean: np.ndarray, var: np.ndarray) -> Moments:
    """Running statistics as the moments of one value per channel; their extremes are not known."""
    state = np.zeros((5, mean.size))
    state[0] = 1.0
    state[1] = mean.reshape(-1)
    state[3] = var.reshape(-1)
    np.copyto(state[3], np.nan, where=state[3] < 0)
    unknown = np.full(mean.size, np.nan)
    return Moments(state, unknown, unknown)


def _momentum(momentum: Any) -> float:
    value = check_number("momentum", momentum)
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"momentum: got {momentum!r}; wants a number in [0, 1]")
    return value


def _check_running(pair: dict[str, Any], axes: Axes, training: bool) -> None:
    """Refuse running statistics which are not two vectors of these channels."""
    missing = [name for name, running in pair.items() if running is None]
    if len(missing) == 1:
        raise ValueError(f"{missing[0]}: got None; wants both running_mean and running_var, or neither")
    if missing and not training:
        raise ValueError(f"{missing[0]}: got None; wants running statistics when training=False")
    for name, running in pair.items() if not missing else ():
        if not isinstance(running, np.ndarray) or isinstance(running, np.ma.MaskedArray):
            raise TypeError(f"{name}: got {type(running).__name__}; wants a NumPy array")
        if running.dtype.kind != "f" or running.dtype.itemsize > 8:
            raise TypeError(f"{name}: got dtype {running.dtype}; wants float16, float32 or float64")
        if running.shape != axes.shape:
            raise ValueError(f"{name}: got shape {running.shape}; wants {axes.shape}, one number per channel")
        if training and not running.flags.writeable:
            raise ValueError(f"{name}: got a read-only array; wants a writeable one, for training updates it")
        if training:
            check_separate(name, running)


def _check_apart(running: dict[str, np.ndarray | None], others: dict[str, np.ndarray]) -> None:
    """Refuse running statistics that share memory with each other or with the data."""
    seen = dict(others)
    for name, array in running.items():
        if array is None:
            continue
        for other, memory in seen.items():
            if overlap(array, memory):
                raise ValueError(f"{name}: got an array that overlaps {other}; wants memory of its own")
        seen[name] = array


def _update(running_mean: np.ndarray, running_var: np.ndarray, moments: Moments, weight: float) -> None:
    """Move running statistics of any float dtype towards the batch, in float64."""
    pair = running_mean, running_var
    mean, var = (np.ascontiguousarray(running, np.float64) for running in pair)  # themselves if they can be
    current().update_running(moments, weight, mean.reshape(-1), var.reshape(-1))
    for running, updated in zip(pair, (mean, var), strict=True):
        if updated is not running:
            with np.errstate(over="ignore"):  # of float16
                running[...] = updated.reshape(running.shape)

"""Relatives of batch normalization: the same statistics and maps, over other axes."""

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from ._apply import apply, fit_apply
from ._arrays import Operand, as_operand, channel_vector, prepare_output
from ._backends import Moments
from ._layout import split_axes
from ._scalars import check_count, check_eps

__all__ = ["group_norm", "instance_norm", "layer_norm"]


def instance_norm(
    x: npt.ArrayLike,
    gamma: npt.ArrayLike | None = None,
    beta: npt.ArrayLike | None = None,
    *,
    eps: float = 1e-5,
    channel_axis: int = 1,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Normalize each channel of each sample by its own mean and biased variance.

    Parameters
    ----------
    x : array_like
        (N, C, ...) with the samples along axis 0 and `channel_axis` elsewhere; with ``channel_axis=0`` one sample.
    gamma, beta : array_like, optional
        Scale and shift, of shape (C,).
    eps : float, default 1e-5
        Added to the variance.
    channel_axis : int, default 1
        The axis that counts channels.
    out : ndarray, optional
        As in `zscore`.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If an argument does not fit, or there is only one value to normalize by. Nothing is written then.
    TypeError
        If a dtype is not supported.

    References
    ----------
    .. [1] D. Ulyanov, A. Vedaldi, V. Lempitsky, "Instance normalization: the missing ingredient for fast
       stylization", 2016.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> fastbn.instance_norm(np.array([[[1.0, 3.0]], [[10.0, 30.0]]])).round(3)
    array([[[-1.,  1.]],
    <BLANKLINE>
           [[-1.,  1.]]])
    """
    operand = as_operand(x)
    axis, channels = _channel_axis(operand, channel_axis)
    scale, shift = _per_channel(gamma, "gamma", channels, 1.0), _per_channel(beta, "beta", channels, 0.0)
    eps = check_eps(eps)
    kept = split_axes(operand.stored.shape, (0, axis) if axis else (0,))
    _check_values(operand, kept.values)
    y, target = prepare_output(x, operand, out, None)
    samples = kept.channels // max(channels, 1)
    fit_apply(operand, kept, np.tile(scale, samples), np.tile(shift, samples), eps, 0, 0.0, target)
    return y


def group_norm(
    x: npt.ArrayLike,
    num_groups: int,
    gamma: npt.ArrayLike | None = None,
    beta: npt.ArrayLike | None = None,
    *,
    eps: float = 1e-5,
    channel_axis: int = 1,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Normalize groups of neighbouring channels of each sample by their common mean and biased variance.

    Parameters
    ----------
    x : array_like
        (N, C, ...) with the samples along axis 0 and `channel_axis` elsewhere; with ``channel_axis=0`` one sample.
    num_groups : int
        Groups; a divisor of C.
    gamma, beta : array_like, optional
        Scale and shift, of shape (C,).
    eps, channel_axis, out
        As in `instance_norm`.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError, TypeError
        As in `instance_norm`, and if `num_groups` does not divide the number of channels.

    References
    ----------
    .. [1] Y. Wu, K. He, "Group normalization", ECCV 2018.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> fastbn.group_norm(np.array([[1.0, 3.0, 10.0, 30.0]]), 2).round(3)
    array([[-1.,  1., -1.,  1.]])
    """
    operand = as_operand(x)
    axis, channels = _channel_axis(operand, channel_axis)
    groups = check_count("num_groups", num_groups)
    if channels % groups:
        raise ValueError(f"num_groups: got {num_groups} for {channels} channels; wants a divisor of that")
    scale, shift = _per_channel(gamma, "gamma", channels, 1.0), _per_channel(beta, "beta", channels, 0.0)
    eps = check_eps(eps)
    shape = operand.stored.shape
    split = (*shape[:axis], groups, channels // groups, *shape[axis + 1 :])
    grouped = operand._replace(stored=operand.stored.reshape(split))  # one axis cut in two is always a view
    of_groups = split_axes(grouped.stored.shape, (0, axis) if axis else (0,))
    kept = split_axes(shape, (0, axis) if axis else (0,))
    _check_values(operand, of_groups.values)
    y, target = prepare_output(x, operand, out, None)
    samples = kept.channels // max(channels, 1)
    shifts = np.tile(scale, samples), np.tile(shift, samples)
    fit_apply(operand, kept, *shifts, eps, 0, 0.0, target, (grouped, of_groups))
    return y


def layer_norm(
    x: npt.ArrayLike,
    gamma: npt.ArrayLike | None = None,
    beta: npt.ArrayLike | None = None,
    *,
    axis: int | tuple[int, ...] = -1,
    eps: float = 1e-5,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Normalize over some axes, by the mean and biased variance at each place of the others.

    Parameters
    ----------
    x : array_like
        An array of any rank.
    gamma, beta : array_like, optional
        Scale and shift, of the shape of the normalized axes.
    axis : int or tuple of int, default -1
        The axes to normalize over.
    eps, out
        As in `instance_norm`.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError, TypeError
        As in `instance_norm`.

    References
    ----------
    .. [1] J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> fastbn.layer_norm(np.array([[1.0, 3.0], [10.0, 30.0]]), gamma=[1.0, 2.0]).round(3)
    array([[-1.,  2.],
           [-1.,  2.]])
    """
    operand = as_operand(x)
    try:
        normalized = split_axes(operand.stored.shape, axis)
    except (TypeError, ValueError) as error:  # the user knows the argument by another name
        raise type(error)(str(error).replace("channel_axis", "axis")) from None
    kept = split_axes(operand.stored.shape, normalized.reduced)
    scale = channel_vector(gamma, "gamma", normalized.shape, 1.0)
    shift = channel_vector(beta, "beta", normalized.shape, 0.0)
    eps = check_eps(eps)
    y, target = prepare_output(x, operand, out, None)
    one, zero = channel_vector(None, "", kept.shape, 1.0), channel_vector(None, "", kept.shape, 0.0)
    fit_apply(operand, kept, one, zero, eps, 0, 0.0, target)
    if gamma is not None or beta is not None:
        identity = np.zeros((5, normalized.channels))
        identity[[0, 3]] = 1.0  # a count and a variance of 1, a mean of 0
        ends = np.zeros(normalized.channels)
        written = as_operand(y, "out")
        apply(written, normalized, Moments(identity, ends, ends), scale, shift, 0.0, 0, "zero", target)
    return y


def _channel_axis(x: Operand, channel_axis: Any) -> tuple[int, int]:
    """The axis from the front, and its length."""
    try:
        axis = operator.index(channel_axis)
    except TypeError:
        raise TypeError(
            f"channel_axis: got {channel_axis!r} of type {type(channel_axis).__name__}; wants an int"
        ) from None
    return split_axes(x.stored.shape, axis).kept[0], x.stored.shape[axis]


def _per_channel(value: Any, name: str, channels: int, default: float) -> np.ndarray:
    return channel_vector(value, name, (channels,), default)


def _check_values(x: Operand, values: int) -> None:
    if x.stored.size and values == 1:
        raise ValueError(f"x: got shape {x.stored.shape}, one value to normalize by; wants more")

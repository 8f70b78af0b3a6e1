"""Instance and group normalization: the same statistics and maps, per sample.

Long for its documentation.
"""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._apply import fit_apply, reduce
from ._arrays import Operand, as_operand, channel_vector, given_back, prepare_output, repeated
from ._backends import current
from ._gradients import BatchNormGradients, nothing, open_gradient
from ._kinds import of_any_kind
from ._layout import Axes, split_axes
from ._printable import shown
from ._scalars import check_count, check_eps, check_int

__all__ = ["group_norm", "group_norm_backward", "instance_norm", "instance_norm_backward"]

_VECTORS = 1 << 16  # channels times samples at a time: about 200 bytes are held for each


@of_any_kind
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
        Added to the variance, in the units of `x` squared.
    channel_axis : int, default 1
        The axis that counts channels.
    out : ndarray, optional
        Receives the result, as in `zscore`.

    Returns
    -------
    ndarray
        Of the shape of `x`, in the units of `gamma` and `beta`, which usually have none.

    Raises
    ------
    ValueError
        If an argument does not fit, or there is only one value to normalize by. Nothing is written then.
    TypeError
        If a dtype is not supported, or an argument has another type.

    See Also
    --------
    instance_norm_backward : Its gradients.
    group_norm : Normalize several channels together.
    batch_norm : Normalize all samples together.

    Notes
    -----
    ``(x - mean) / sqrt(var + eps) * gamma + beta`` with mean and variance of one channel of one sample [1]_.

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
    return _forward(_open(x, None, gamma, beta, eps, channel_axis), x, out)


@of_any_kind
def instance_norm_backward(
    dy: npt.ArrayLike,
    x: npt.ArrayLike,
    gamma: npt.ArrayLike | None = None,
    *,
    eps: float = 1e-5,
    channel_axis: int = 1,
    out: np.ndarray | None = None,
) -> BatchNormGradients:
    """Gradients of `instance_norm`; mean and variance are computed from `x` once more.

    Parameters
    ----------
    dy : array_like of float
        Gradient of the loss with respect to the output, of the shape of `x`.
    x : array_like
        What was normalized.
    gamma : array_like, optional
        As it was used.
    eps : float, default 1e-5
        As it was used, in the units of `x` squared.
    channel_axis : int, default 1
        As it was used.
    out : ndarray, optional
        Receives `dx`, as in `batch_norm_backward`.

    Returns
    -------
    BatchNormGradients
        ``dx``, of the shape and dtype of `dy` and in its units over those of `x`, and ``dgamma`` and ``dbeta``, float64
        of shape (C,), in the units of `dy`.

    Raises
    ------
    ValueError, TypeError
        As in `instance_norm` and `batch_norm_backward`.

    See Also
    --------
    instance_norm : What these are the gradients of.
    batch_norm_backward : The same formula for batches.

    Notes
    -----
    The gradients of batch normalization [1]_ for each channel of each sample; ``dgamma`` and ``dbeta`` are summed over
    the samples. With n values in a channel of a sample, ``r = sqrt(var + eps)`` and ``xhat = (x - mean) / r``:
    ``dx = gamma / r (dy - sum(dy) / n - xhat sum(dy xhat) / n)``.

    References
    ----------
    .. [1] S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
       covariate shift", ICML 2015.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> x = np.array([[[1.0, 2.0, 6.0]], [[0.0, 0.0, 3.0]]])
    >>> dx, dgamma, dbeta = fastbn.instance_norm_backward(np.ones_like(x), x)
    >>> dbeta, abs(dgamma).round(9)
    (array([6.]), array([0.]))
    """
    return _backward(_open(x, None, gamma, None, eps, channel_axis), dy, x, out)


@of_any_kind
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
    eps : float, default 1e-5
        Added to the variance, in the units of `x` squared.
    channel_axis : int, default 1
        The axis that counts channels.
    out : ndarray, optional
        Receives the result, as in `zscore`.

    Returns
    -------
    ndarray
        Of the shape of `x`, in the units of `gamma` and `beta`, which usually have none.

    Raises
    ------
    ValueError, TypeError
        As in `instance_norm`, and if `num_groups` does not divide the number of channels.

    See Also
    --------
    group_norm_backward : Its gradients.
    instance_norm : Normalize each channel alone.
    layer_norm : Normalize over some axes.

    Notes
    -----
    ``(x - mean) / sqrt(var + eps) * gamma + beta`` with mean and variance of one group of one sample, gamma and beta of
    the channel [1]_.

    References
    ----------
    .. [1] Y. Wu, K. He, "Group normalization", ECCV 2018.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> fastbn.group_norm(np.array([[1.0, 3.0, 10.0, 30.0]]), 2).round(3)
    array([[-1.,  1., -1.,  1.]])
    """
    return _forward(_open(x, check_count("num_groups", num_groups), gamma, beta, eps, channel_axis), x, out)


@of_any_kind
def group_norm_backward(
    dy: npt.ArrayLike,
    x: npt.ArrayLike,
    num_groups: int,
    gamma: npt.ArrayLike | None = None,
    *,
    eps: float = 1e-5,
    channel_axis: int = 1,
    out: np.ndarray | None = None,
) -> BatchNormGradients:
    """Gradients of `group_norm`; mean and variance are computed from `x` once more.

    Parameters
    ----------
    dy : array_like of float
        Gradient of the loss with respect to the output, of the shape of `x`.
    x : array_like
        What was normalized.
    num_groups : int
        As it was used.
    gamma : array_like, optional
        As it was used.
    eps : float, default 1e-5
        As it was used, in the units of `x` squared.
    channel_axis : int, default 1
        As it was used.
    out : ndarray, optional
        Receives `dx`, as in `batch_norm_backward`.

    Returns
    -------
    BatchNormGradients
        ``dx``, of the shape and dtype of `dy` and in its units over those of `x`, and ``dgamma`` and ``dbeta``, float64
        of shape (C,), in the units of `dy`.

    Raises
    ------
    ValueError, TypeError
        As in `group_norm` and `batch_norm_backward`.

    See Also
    --------
    group_norm : What these are the gradients of.

    Notes
    -----
    The gradients of batch normalization [1]_, with the statistics of a group. With n values in it, ``r = sqrt(var +
    eps)`` and ``xhat = (x - mean) / r``: ``dbeta = sum(dy)`` and ``dgamma = sum(dy xhat)`` over samples and positions,
    and ``dx = (gamma dy - sum(gamma dy) / n - xhat sum(gamma dy xhat) / n) / r`` with sums over the group.

    References
    ----------
    .. [1] S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
       covariate shift", ICML 2015.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> x = np.array([[1.0, 3.0, 10.0, 30.0]])
    >>> dx, dgamma, dbeta = fastbn.group_norm_backward(np.array([[1.0, 0.0, 0.0, 2.0]]), x, 2)
    >>> dgamma.round(3), dbeta
    (array([-1.,  0.,  0.,  2.]), array([1., 0., 0., 2.]))
    """
    return _backward(_open(x, check_count("num_groups", num_groups), gamma, None, eps, channel_axis), dy, x, out)


class _Case(NamedTuple):
    """Checked arguments."""

    operand: Operand
    axis: int
    channels: int
    groups: int | None  # None: every channel is one
    gamma: np.ndarray
    beta: np.ndarray
    eps: float


class _Part(NamedTuple):
    """Some samples, in two views: every channel of every sample, and what is normalized together."""

    operand: Operand
    others: tuple[Operand, ...]  # what belongs to them of other arrays
    kept: Axes
    grouped: Operand
    of_groups: Axes
    gamma: np.ndarray  # repeated for every sample
    beta: np.ndarray


def _open(x: Any, num_groups: int | None, gamma: Any, beta: Any, eps: Any, channel_axis: Any) -> _Case:
    operand = as_operand(x)
    shape = operand.stored.shape
    axis, channels = _channel_axis(operand, channel_axis)
    groups = channels if num_groups is None else num_groups
    if groups and channels % groups:
        raise ValueError(f"num_groups: got {shown(num_groups)} for {channels} channels; wants a divisor of that")
    scale = channel_vector(gamma, "gamma", (channels,), 1.0, operand.stored)
    shift = channel_vector(beta, "beta", (channels,), 0.0, operand.stored)
    eps = check_eps(eps)
    samples = shape[0] if axis else 1
    if operand.stored.size == samples * groups and operand.stored.size:
        raise ValueError(f"x: got shape {shape}, one value to normalize by; wants more")
    return _Case(operand, axis, channels, num_groups, scale, shift, eps)


def _parts(case: _Case, *others: Operand) -> Iterator[_Part]:
    """Cut a non-empty array, and others with it, into samples: what is held for each could be more than the data."""
    count = case.operand.stored.shape[0]
    step = min(count, max(1, _VECTORS // case.channels)) if case.axis else count
    vectors = functools.cache(lambda n: (repeated(case.gamma, n), repeated(case.beta, n)))
    for begin in range(0, count, step):
        cut = {id(o.stored): o.stored[begin : begin + step] for o in (case.operand, *others)}  # one array stays one
        operand, *rest = (o._replace(stored=cut[id(o.stored)]) for o in (case.operand, *others))
        grouped = operand
        shape, samples = operand.stored.shape, (0, case.axis) if case.axis else (0,)
        kept = of_groups = split_axes(shape, samples)
        if case.groups is not None:
            split = (*shape[: case.axis], case.groups, case.channels // case.groups, *shape[case.axis + 1 :])
            grouped = operand._replace(stored=operand.stored.reshape(split))  # one axis cut in two is always a view
            of_groups = split_axes(split, samples)
        of_samples = vectors(kept.channels // case.channels)
        yield _Part(operand, tuple(rest), kept, grouped, of_groups, *of_samples)


def _forward(case: _Case, x: Any, out: Any) -> np.ndarray:
    y, target = prepare_output(x, case.operand, out, None)
    for part in _parts(case, target) if case.operand.stored.size else ():
        (some,) = part.others
        groups = part.grouped, part.of_groups
        fit_apply(part.operand, part.kept, part.gamma, part.beta, case.eps, 0, 0.0, some, groups)
    return y


def _backward(case: _Case, dy: Any, x: Any, out: Any) -> BatchNormGradients:
    incoming = open_gradient(dy, x, case.operand, out)
    if not case.operand.stored.size:
        return nothing(incoming, (case.channels,))
    backend = current(case.operand.stored)

    def gradients() -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
        for part in _parts(case, incoming.dy, incoming.target):
            gradient, target = part.others
            moments = reduce(part.grouped, part.of_groups)
            yield [backend.backward(part.operand, gradient, part.kept, moments, part.gamma, case.eps, target)]

    return BatchNormGradients(incoming.dx, *map(given_back, backend.total(gradients(), case.channels)))


def _channel_axis(x: Operand, channel_axis: Any) -> tuple[int, int]:
    """The axis from the front, and its length."""
    axis = check_int("channel_axis", channel_axis, "an int")
    return split_axes(x.stored.shape, axis).kept[0], x.stored.shape[axis]

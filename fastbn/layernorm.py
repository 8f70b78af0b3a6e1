"""Layer normalization: statistics at each place, gamma and beta along the axes that are normalized.

Design. The two directions are two views of one array, each with its own maps and sums. Between them a slab of rows is
held in float64, small enough for the cache: float16 and float32 results are rounded once, and the array crosses memory
once.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._apply import fit_apply
from ._arrays import Operand, as_operand, channel_vector, given_back, prepare_output, transform_of
from ._backends import MOMENT_ROWS, Backend, Found, Moments, current
from ._gradients import BatchNormGradients, nothing, open_gradient
from ._kernels.coefficients import SCALE
from ._kernels.sums import COUNTED, M2
from ._kinds import of_any_kind
from ._layout import Axes, cut_kept, split_axes, split_normalized
from ._scalars import check_eps

__all__ = ["layer_norm", "layer_norm_backward"]

_SUMS = 1 << 17  # sums of slabs that wait to be added up


@of_any_kind
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
        Numbers of any rank.
    gamma, beta : array_like, optional
        Scale and shift, of the shape of the normalized axes.
    axis : int or tuple of int, default -1
        The axes to normalize over.
    eps : float, default 1e-5
        Added to the variance, in the units of `x` squared.
    out : ndarray, optional
        Receives the result, as in `zscore`.

    Returns
    -------
    ndarray
        Of the shape of `x`, in the units of `gamma` and `beta`, which usually have none.

    Raises
    ------
    ValueError, TypeError
        As in `instance_norm`.

    See Also
    --------
    layer_norm_backward : Its gradients.
    group_norm : Normalize groups of channels of each sample.
    batch_norm : Normalize all samples together.

    Notes
    -----
    ``(x - mean) / sqrt(var + eps) * gamma + beta`` with mean and variance over the normalized axes, along which gamma
    and beta lie [1]_.

    With gamma or beta, float64 results are within 1 ulp of the larger of ``xhat * gamma`` and ``beta``, and 1 of their
    own. Some rows at a time, and at least one, are held in float64.

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
    case = _open(x, gamma, beta, axis, eps)
    y, target = prepare_output(x, case.operand, out, None)
    if not case.operand.stored.size:
        return y
    if gamma is None and beta is None:
        one, zero = (channel_vector(None, "", case.kept.shape, value) for value in (1.0, 0.0))
        fit_apply(case.operand, case.kept, one, zero, case.eps, 0, 0.0, target)
        return y
    backend, transform = current(case.operand.stored), transform_of(target.output)
    along = backend.standardize(_identity(case.normalized.channels, 1), case.gamma, case.beta, 0.0, 0, 0.0)
    slabs, memory = _slabs(case, backend), _Memory(case, backend, 1)

    def work(begin: int, end: int) -> None:
        with memory.lent() as (held,):
            for slab in slabs[begin:end]:
                room, moments = _room(held, slab), backend.reduce_moments(slab.x, slab.kept)
                backend.map_channels(
                    slab.x, slab.kept, transform, _rows(backend, moments, slab.kept.channels, case.eps, 0.0), room
                )
                backend.map_channels(room, slab.normalized, transform, along, _part(target, slab))

    backend.run(len(slabs), case.operand.stored.nbytes + target.stored.nbytes, work)
    return y


@of_any_kind
def layer_norm_backward(
    dy: npt.ArrayLike,
    x: npt.ArrayLike,
    gamma: npt.ArrayLike | None = None,
    *,
    axis: int | tuple[int, ...] = -1,
    eps: float = 1e-5,
    out: np.ndarray | None = None,
) -> BatchNormGradients:
    """Gradients of `layer_norm`; mean and variance are computed from `x` once more.

    Parameters
    ----------
    dy : array_like of float
        Gradient of the loss with respect to the output, of the shape of `x`.
    x : array_like
        What was normalized.
    gamma : array_like, optional
        As it was used.
    axis : int or tuple of int, default -1
        As it was used.
    eps : float, default 1e-5
        As it was used, in the units of `x` squared.
    out : ndarray, optional
        Receives `dx`, as in `batch_norm_backward`.

    Returns
    -------
    BatchNormGradients
        ``dx``, of the shape and dtype of `dy` and in its units over those of `x`, and ``dgamma`` and ``dbeta``, float64
        of the shape of the normalized axes, in the units of `dy`.

    Raises
    ------
    ValueError, TypeError
        As in `layer_norm` and `batch_norm_backward`.

    See Also
    --------
    layer_norm : What these are the gradients of.

    Notes
    -----
    The gradients of batch normalization [1]_, with the statistics of a place. With n values at each, ``r = sqrt(var +
    eps)`` and ``xhat = (x - mean) / r``: ``dbeta = sum(dy)`` and ``dgamma = sum(dy xhat)`` over the places, and ``dx =
    (gamma dy - sum(gamma dy) / n - xhat sum(gamma dy xhat) / n) / r`` with sums at the place.

    References
    ----------
    .. [1] S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
       covariate shift", ICML 2015.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> x, dy = np.array([[1.0, 3.0], [10.0, 30.0]]), np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> dx, dgamma, dbeta = fastbn.layer_norm_backward(dy, x)
    >>> dgamma.round(3), dbeta
    (array([-1.,  2.]), array([1., 2.]))
    """
    case = _open(x, gamma, None, axis, eps)
    incoming = open_gradient(dy, x, case.operand, out)
    if not case.operand.stored.size:
        return nothing(incoming, case.normalized.shape)
    backend = current(case.operand.stored)
    columns = case.normalized.channels
    standard, one, zero = _identity(columns, 1), np.ones(columns), np.zeros(columns)
    along = backend.standardize(standard, case.gamma, zero, 0.0, 0, 0.0)
    slabs, memory = _slabs(case, backend), _Memory(case, backend, 2)

    def work(some: list[_Slab], sums: list[Any], begin: int, end: int) -> None:
        with memory.lent() as held:
            for i, slab in enumerate(some[begin:end], begin):
                xhat, gradient = (_room(array, slab) for array in held)
                moments = backend.reduce_moments(slab.x, slab.kept)
                rows = _rows(backend, moments, slab.kept.channels, case.eps, np.nan)
                backend.map_channels(slab.x, slab.kept, "affine", rows, xhat)
                backend.copy(_part(incoming.dy, slab), gradient)
                sums[i] = backend.backward(xhat, gradient, slab.normalized, standard, one, 0.0, None)
                backend.map_channels(gradient, slab.normalized, "affine", along, gradient)
                identity = _identity(slab.kept.channels, case.normalized.channels)
                inverse = rows.reshape(-1, slab.kept.channels)[SCALE]
                backend.backward(xhat, gradient, slab.kept, identity, inverse, 0.0, gradient)
                backend.copy(gradient, _part(incoming.target, slab))

    def gradients() -> Iterator[list[Any]]:
        wave = max(2, _SUMS // columns)
        for first in range(0, len(slabs), wave):
            some = slabs[first : first + wave]
            sums: list[Any] = [None] * len(some)
            size = sum(slab.x.stored.nbytes for slab in some)
            backend.run(len(some), 3 * size, functools.partial(work, some, sums))
            yield sums

    dgamma, dbeta = backend.total(gradients(), columns)
    return BatchNormGradients(
        incoming.dx, *(given_back(part).reshape(case.normalized.shape) for part in (dgamma, dbeta))
    )


class _Case(NamedTuple):
    """Checked arguments, and the two views of the data."""

    operand: Operand
    normalized: Axes  # keeps the axes to normalize over: every place of gamma and beta is a channel
    kept: Axes  # keeps the others: what is normalized together is a channel
    gamma: np.ndarray
    beta: np.ndarray
    eps: float


class _Slab(NamedTuple):
    """Some of the data: whole rows."""

    where: tuple[slice, ...]
    x: Operand
    normalized: Axes
    kept: Axes


def _open(x: Any, gamma: Any, beta: Any, axis: Any, eps: Any) -> _Case:
    operand = as_operand(x)
    shape = operand.stored.shape
    normalized = split_normalized(shape, axis)
    scale = channel_vector(gamma, "gamma", normalized.shape, 1.0, operand.stored)
    shift = channel_vector(beta, "beta", normalized.shape, 0.0, operand.stored)
    return _Case(operand, normalized, split_axes(shape, normalized.reduced), scale, shift, check_eps(eps))


def _slabs(case: _Case, backend: Backend) -> list[_Slab]:
    found = []
    for where in cut_kept(case.operand.stored.shape, case.kept, backend.slab):
        x = case.operand._replace(stored=case.operand.stored[where])
        shape = x.stored.shape
        found.append(_Slab(where, x, split_axes(shape, case.normalized.kept), split_axes(shape, case.kept.kept)))
    return found


class _Memory:
    """Room for so many slabs, for as many claims as run at a time: new memory for each would cost page faults."""

    def __init__(self, case: _Case, backend: Backend, count: int) -> None:
        self._size = min(case.operand.stored.size, max(backend.slab, case.kept.values))
        self._backend = backend
        self._count = count
        self._free: list[list[np.ndarray]] = []

    @contextmanager
    def lent(self) -> Iterator[list[np.ndarray]]:
        """Flat float64 arrays that nobody else has meanwhile."""
        try:
            arrays = self._free.pop()
        except IndexError:
            arrays = [self._backend.room(self._size) for _ in range(self._count)]
        yield arrays
        self._free.append(arrays)


def _room(memory: np.ndarray, slab: _Slab) -> Operand:
    return as_operand(memory[: slab.x.stored.size].reshape(slab.x.stored.shape))


def _part(target: Operand, slab: _Slab) -> Operand:
    return target._replace(stored=target.stored[slab.where])


def _rows(backend: Backend, moments: Found, channels: int, eps: float, constant: float) -> np.ndarray:
    """Coefficients of ``(x - mean) / sqrt(var + eps)``."""
    one, zero = (np.full(channels, value) for value in (1.0, 0.0))
    return backend.standardize(moments, one, zero, eps, 0, constant)


def _identity(channels: int, count: int) -> Moments:
    """Moments of values that are standardized already."""
    state = np.zeros((MOMENT_ROWS, channels))
    state[[COUNTED, M2]] = count
    return Moments(state, np.zeros(channels), np.zeros(channels))

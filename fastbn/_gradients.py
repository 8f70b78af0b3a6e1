"""What the backward functions have in common: the gradient that comes in, and where that of x goes."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ._algebra import add
from ._arrays import Operand, as_operand, given_back, overlap, prepare_output, same_device, zeros_beside


class BatchNormGradients(NamedTuple):
    """Gradients of the loss, which the backward functions return.

    Parameters
    ----------
    dx : ndarray
        With respect to the input: of the shape and dtype of `dy`, in the units of `dy` over those of `x`.
    dgamma : ndarray of float64
        With respect to gamma, and of its shape, in the units of `dy`.
    dbeta : ndarray of float64
        With respect to beta, and of its shape, in the units of `dy`.

    See Also
    --------
    batch_norm_backward : Gradients of batch normalization.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> x = np.array([[1.0, 3.0], [10.0, 30.0]])
    >>> gradients = fastbn.layer_norm_backward(np.ones_like(x), x)
    >>> gradients.dbeta
    array([2., 2.])
    """

    dx: np.ndarray
    dgamma: np.ndarray
    dbeta: np.ndarray


BatchNormGradients.__module__ = "fastbn.batchnorm"  # its public place, for pickles and documentation


class Incoming(NamedTuple):
    """A checked gradient with respect to an output, and the array for that with respect to the input."""

    dy: Operand
    dx: np.ndarray
    target: Operand


def open_gradient(dy: Any, x: Any, operand: Operand, out: Any) -> Incoming:
    """Check ``dy`` and ``out`` against the input ``x``, which ``operand`` describes."""
    gradient = as_operand(dy, "dy")
    same_device("dy", dy, operand.stored)
    if gradient.original.kind != "f":
        raise TypeError(f"dy: got dtype {gradient.original}; wants float16, float32 or float64")
    if gradient.stored.shape != operand.stored.shape:
        raise ValueError(f"dy: got shape {gradient.stored.shape}; wants {operand.stored.shape}, that of x")
    dx, target = prepare_output(dy, gradient, out, None, "dy")
    if out is not None and out is not x and overlap(target.stored, operand.stored):
        raise ValueError("out: got an array that overlaps x; wants x or dy itself or separate memory")
    return Incoming(gradient, dx, target)


def nothing(incoming: Incoming, shape: tuple[int, ...]) -> BatchNormGradients:
    """Gradients of an empty array."""
    return BatchNormGradients(incoming.dx, *(given_back(zeros_beside(incoming.dy.stored, shape)) for _ in range(2)))


Pairs = Iterable[list[tuple[np.ndarray, np.ndarray]]]  # what `Backend.backward` returned, some at a time


def total(parts: Pairs, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums over everything but the channels, which come last, of gradients of gamma and beta."""
    totals = np.zeros((2, 2, channels))  # head and tail of both
    for some in parts:
        totals = add_rows(totals, np.array(some).swapaxes(0, 1).reshape(2, -1, channels))
    dgamma, dbeta = _rounded(*totals)
    return dgamma, dbeta


def fold_rows(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of (..., rows, channels) over the rows, in two words, by halves."""
    head, tail = values, np.zeros_like(values)
    with np.errstate(all="ignore"):
        while (rows := head.shape[-2]) > 1:
            if rows % 2:
                head, tail = (np.concatenate([part, np.zeros_like(part[..., :1, :])], -2) for part in (head, tail))
            upper, lower = (np.s_[..., : (rows + 1) // 2, :], np.s_[..., (rows + 1) // 2 :, :])
            head, tail = add(head[upper], tail[upper], head[lower], tail[lower])
    return head[..., 0, :], tail[..., 0, :]


def add_rows(totals: np.ndarray, values: np.ndarray) -> np.ndarray:
    """``totals`` (2, ..., channels), head and tail, and the sums of (..., rows, channels) over the rows."""
    head, tail = fold_rows(values)
    with np.errstate(all="ignore"):
        return np.array(add(totals[0], totals[1], head, tail))


def _rounded(head: np.ndarray, tail: np.ndarray) -> np.ndarray:
    """Numbers in two words as one, and one NaN for all: its sign is the machine's choice."""
    with np.errstate(all="ignore"):
        values = head + tail
    return np.where(np.isnan(values), np.nan, values)

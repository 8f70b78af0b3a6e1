"""Coefficients of the min-max maps, from one interval per channel onto another."""

from typing import Any

import numpy as np

from ._backends import Moments
from ._kernels.maps import KNOBS

Ends = tuple[Any, Any]


def two_words(value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of any supported dtype as float64 plus float64, exact."""
    if value.dtype.kind in "iu" and value.dtype.itemsize == 8:
        upper = (value >> 11) << 11
        return upper.astype(np.float64), (value - upper).astype(np.float64)
    head = value.astype(np.float64)
    return head, np.zeros_like(head)


def rescaling(moments: Moments, ends: Ends, onto: Ends, bounds: Ends, constant: float) -> np.ndarray:
    """Coefficients of ``rescale`` (``_algebra.py``) that take ``ends`` onto ``onto``, then clip to ``bounds``.

    Where both ends are the same the width is ``constant``: infinity sends all to the start, NaN to NaN. Channels of
    which nothing is known become NaN.
    """
    low, high = ends
    head, tail = two_words(low)
    top, rest = two_words(high)
    with np.errstate(all="ignore"):
        factor = np.where(np.isinf(top - head) & np.isfinite(top) & np.isfinite(head), 0.5, 1.0)
        width = (top * factor - head * factor) + (rest - tail) * factor
    knobs = np.empty((KNOBS, head.size))
    knobs[0] = head * factor
    knobs[1] = tail * factor
    knobs[2] = factor
    knobs[3] = np.where(low == high, constant, width)
    knobs[3][moments.state[0] == 0.0] = np.nan
    knobs[4], knobs[5] = onto
    knobs[6], knobs[7] = bounds
    return knobs.reshape(-1)


def is_constant(moments: Moments) -> np.ndarray:
    """Channels whose extremes are the same number."""
    constant: np.ndarray = moments.least == moments.greatest
    return constant

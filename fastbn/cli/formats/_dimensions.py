"""Axes that are kept of the variables of a data set, by the names of dimensions, and names of the channels there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastbn._layout import ChannelAxis

from .._choice import Choice

MOST_NAMES = 2**16  # channels that get names


def kept_axes(path: Path, choice: Choice, dims: Sequence[Sequence[str]]) -> list[ChannelAxis]:
    """The axes that are kept of each variable: those of the dimensions asked for that it has."""
    if choice.channel_dim is None:
        return [choice.kept(path, of_one, ()) for of_one in dims]
    every = sorted({name for of_one in dims for name in of_one if name})
    choice.kept(path, every or None, ())  # a name that no variable has is a mistake
    return [tuple(list(of_one).index(name) for name in choice.channel_dim if name in of_one) for of_one in dims]


def one_axis(channel_axis: ChannelAxis, ndim: int) -> int | None:
    """The axis that is kept, if it is one."""
    if not isinstance(channel_axis, tuple) or len(channel_axis) != 1 or not -ndim <= channel_axis[0] < ndim:
        return None
    return channel_axis[0]


def names_of(labels: NDArray[np.generic]) -> tuple[str, ...] | None:
    """Names of channels by their coordinates, if these tell them apart."""
    names = tuple(label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label) for label in labels)
    return names if len(set(names)) == len(names) and all(names) else None

"""Running statistics of batch normalization: what frameworks agree on, and what not."""

import itertools
import operator
from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from ._arrays import check_separate, overlap, same_device
from ._devices import OnDevice
from ._layout import Axes
from ._printable import shown
from ._scalars import check_choice, check_eps, check_number


class Default(Enum):
    """Stands for an argument that was not given, where None means something."""

    CONVENTION = "the convention's"

    def __repr__(self) -> str:
        return f"<{self.value}>"


class Convention(NamedTuple):
    """How a framework defines batch normalization."""

    momentum: float
    eps: float
    of_old: bool  # whether momentum weighs the old value, else the new one
    ddof: int  # of the variance that enters the running one


CONVENTIONS = {
    "torch": Convention(0.1, 1e-5, of_old=False, ddof=1),
    "keras": Convention(0.99, 1e-3, of_old=True, ddof=0),
    "onnx": Convention(0.9, 1e-5, of_old=True, ddof=0),
}


def check_convention(name: Any, momentum: Any, eps: Any) -> Convention:
    """A convention, with momentum and eps of its own where they are given."""
    check_choice("convention", name, CONVENTIONS)
    usual = CONVENTIONS[name]
    share = usual.momentum
    if momentum is not Default.CONVENTION:
        share = check_number("momentum", momentum)
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"momentum: got {shown(momentum)}; wants a number in [0, 1]")
    return Convention(share, usual.eps if eps is Default.CONVENTION else check_eps(eps), usual.of_old, usual.ddof)


def weights(convention: Convention) -> tuple[float, float]:
    """What the old value and the new one are multiplied by."""
    other = 1.0 - convention.momentum
    return (convention.momentum, other) if convention.of_old else (other, convention.momentum)


def put_together(steps: Sequence[tuple[Any, Any, Any]]) -> None:
    """Set items, each of ``(target, key, value)``, in one step: an interrupt (Ctrl-C) comes before it or after it.

    The interpreter looks for signals between its own instructions, and here all targets are written in one of them.
    Numbers may be too large or too small for the dtype of a target.
    """
    with np.errstate(all="ignore"):
        list(itertools.starmap(operator.setitem, steps))


def open_running(pair: dict[str, Any], axes: Axes, training: bool, data: np.ndarray) -> dict[str, np.ndarray | None]:
    """Running statistics as backends see them, refused unless they are vectors of these channels beside the data."""
    missing = [name for name, running in pair.items() if running is None]
    if len(missing) == 1:
        raise ValueError(f"{missing[0]}: got None; wants both running_mean and running_var, or neither")
    if missing and not training:
        raise ValueError(f"{missing[0]}: got None; wants running statistics when training=False")
    opened: dict[str, np.ndarray | None] = dict.fromkeys(pair)
    for name, given in pair.items() if not missing else ():
        if isinstance(data, OnDevice):
            running = same_device(name, given, data)
        elif not isinstance(given, np.ndarray) or isinstance(given, np.ma.MaskedArray):
            raise TypeError(f"{name}: got {type(given).__name__}; wants a NumPy array")
        else:
            running = given
        opened[name] = running
        if running.dtype.kind != "f" or running.dtype.itemsize > 8:
            raise TypeError(f"{name}: got dtype {running.dtype}; wants float16, float32 or float64")
        if running.shape != axes.shape:
            raise ValueError(f"{name}: got shape {running.shape}; wants {axes.shape}, one number per channel")
        if training and not running.flags.writeable:
            raise ValueError(f"{name}: got a read-only array; wants a writeable one, for training updates it")
        if training:
            check_separate(name, running)
    return opened


def check_apart(running: dict[str, np.ndarray | None], others: dict[str, np.ndarray]) -> None:
    """Refuse running statistics that share memory with each other or with the data."""
    seen = dict(others)
    for name, array in running.items():
        if array is None:
            continue
        for other, memory in seen.items():
            if overlap(array, memory):
                raise ValueError(f"{name}: got an array that overlaps {other}; wants memory of its own")
        seen[name] = array

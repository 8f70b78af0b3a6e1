"""What a reduction on a device returns: moments that stay there until somebody looks at them."""

import functools
from typing import TypeVar

import numpy as np

from .._devices import OnDevice
from .._kernels.grid.places import COUNTED, END_ROWS, GREATEST, LEAST, WEIGHT_TAIL
from . import MOMENT_ROWS, Moments

Rows = TypeVar("Rows", bound=np.ndarray)


def ends_of(closed: Rows) -> Rows:
    """The extremes among the rows of a reduction."""
    return closed[-END_ROWS:].view(np.float64)  # type: ignore[return-value]


class DeviceMoments:
    """Moments per channel and their extremes, rows of ``_kernels/grid/places.py``, on a device."""

    def __init__(self, closed: OnDevice, storage: np.dtype, *, weighted: bool = False) -> None:
        self.closed = closed
        self._storage = storage
        self._weighted = weighted

    @property
    def device(self) -> int:
        """Where they are."""
        return self.closed.place.device

    def fetched(self) -> Moments:
        """The same on the host: waits for the device."""
        return self._fetched

    @functools.cached_property
    def _fetched(self) -> Moments:
        rows = self.closed.place.library.host(self.closed)
        tally = rows[[COUNTED, WEIGHT_TAIL]] if self._weighted else None
        return Moments(rows[:MOMENT_ROWS], *extremes(ends_of(rows), self._storage), tally)


def extremes(rows: np.ndarray, storage: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Extremes in the dtype of the data; those of nothing (infinite, or of another type) mean nothing."""
    rows = np.where(np.isnan(rows), np.nan, rows)  # one for all: which bits it has is the machine's choice
    with np.errstate(all="ignore"):
        if storage.kind == "f":
            return rows[LEAST].astype(storage), rows[GREATEST].astype(storage)
        least, least_tail, greatest, greatest_tail = rows.astype(storage)
        return least + least_tail, greatest + greatest_tail

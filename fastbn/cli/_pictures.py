"""Pictures of channels: how their values are distributed, before and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fastbn import ChannelStats

from ._channels import Statistics
from ._fields import Field, Place, Values


class Sample:
    """Some values of every channel that is drawn."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields

    def see(self, field: Field, place: Place, value: Values, nodata: Any) -> None:
        """Take some values of a tile."""

    def draw(self, stats: Statistics, out: Path, *, form: str, title: str) -> None:
        """Draw the sample and the statistics."""
        assert isinstance(stats, ChannelStats)
        axes = stats.plot()
        axes.set_title(title)
        axes.figure.savefig(out, format=form, dpi=150)

    def draw_both(
        self, stats: Statistics, function: Callable[..., NDArray[Any]], out: Path, *, form: str, title: str
    ) -> None:
        """Draw the sample, and what a function makes of it."""

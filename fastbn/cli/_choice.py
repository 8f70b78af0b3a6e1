"""Which of a file's numbers are wanted, and which of their axes are kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fastbn._layout import ChannelAxis

from ._errors import JobError

OPTIONS = {
    "channel_axis": "--channel-axis",
    "channel_dim": "--channel-dim",
    "variables": "--variables",
    "bands": "--bands",
    "columns": "--columns",
}


class Choice(NamedTuple):
    """What was asked for; None: nothing was, which each format takes in its own way."""

    channel_axis: tuple[int, ...] | None = None  # () for one channel
    channel_dim: tuple[str, ...] | None = None  # names of axes
    variables: tuple[str, ...] | None = None
    bands: tuple[int, ...] | None = None  # from 1
    columns: tuple[str, ...] | None = None

    def only(self, path: Path, format: str, *allowed: str) -> None:  # noqa: A002 - what it is
        """Refuse options that mean nothing in a format."""
        for name, value in self._asdict().items():
            if value is not None and name not in allowed:
                raise JobError(f"{path}: {OPTIONS[name]} means nothing for {format}")

    def kept(self, path: Path, dims: Sequence[str] | None, default: ChannelAxis) -> ChannelAxis:
        """The axes that are kept of an array whose axes have these names, if any."""
        if self.channel_dim is not None:
            if dims is None:
                raise JobError(f"{path}: --channel-dim: its axes have no names; use --channel-axis")
            for name in self.channel_dim:
                if name not in dims:
                    raise JobError(f"{path}: --channel-dim: no dimension {name!r} among {', '.join(dims) or 'none'}")
            return tuple(list(dims).index(name) for name in self.channel_dim)
        return default if self.channel_axis is None else self.channel_axis


class Missing(NamedTuple):
    """What does not count, beyond what a file says itself."""

    nodata: float | None = None  # instead of the file's own
    nan_policy: str = "propagate"


def chosen(path: Path, option: str, wanted: Sequence[str] | None, there: Sequence[str]) -> tuple[str, ...]:
    """The names that were asked for, all of which must be there; all there are, if none was."""
    if wanted is None:
        return tuple(there)
    for name in wanted:
        if name not in there:
            raise JobError(f"{path}: {OPTIONS[option]}: there is no {name!r}, only {', '.join(there) or 'nothing'}")
    return tuple(wanted)

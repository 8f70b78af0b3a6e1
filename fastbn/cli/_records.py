"""Statistics files: what they hold beside the statistics, and which of their channels a file has."""

from __future__ import annotations

import hashlib
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastbn import ChannelQuantiles, ChannelStats
from fastbn._files import errors_of, read_record, write_record
from fastbn._quantile_records import FORMAT
from fastbn._records import plain
from fastbn._version import __version__

from ._channels import Channels, Statistics
from ._errors import JobError
from ._inputs import Input


def provenance(args: Namespace, inputs: Sequence[Input]) -> dict[str, Any]:
    """Where statistics come from: nothing that differs when the same is done again."""
    files = []
    for item in inputs:
        status = item.path.stat()
        modified = datetime.fromtimestamp(int(status.st_mtime), UTC).isoformat()
        files.append({"path": str(item.path), "format": item.format, "bytes": status.st_size, "modified": modified})
    options = {name: value for name, value in args.choice._asdict().items() if value is not None}
    options |= {name: plain(value) for name, value in args.missing._asdict().items() if value is not None}
    return {"fastbn": __version__, "command": args.command, "options": options, "inputs": files}


def save(stats: Statistics, path: Path, source: dict[str, Any]) -> None:
    """Write statistics, to the last bit, and where they come from."""
    write_record(path, {**stats.to_dict(), "source": source})


def load(path: Path) -> Any:
    """Statistics or quantiles, whichever a file holds."""
    record = read_record(path)
    try:
        return read_back(record)
    except ValueError as error:
        raise JobError(f"{path}: {error}") from None


def read_back(record: Any) -> Any:
    """Statistics or quantiles from a record."""
    quantiles = isinstance(record, dict) and record.get("format") == FORMAT
    return (ChannelQuantiles if quantiles else ChannelStats).from_dict(record)


def digest(path: Path) -> str:
    """What changes when the file does."""
    with errors_of(path, path):
        return hashlib.sha256(path.read_bytes()).hexdigest()


def aligned(stats: Any, path: Path, item: Input) -> Any:
    """The statistics of the channels of a file, by their names if both have some."""
    channels = Channels(item.fields)
    if stats.names is not None and channels.names is not None and stats.names != channels.names:
        missing = [name for name in channels.names if name not in stats.names]
        if missing:
            raise JobError(
                f"{path}: statistics of channels {', '.join(stats.names)}; {item.path} has {', '.join(missing)} as well"
            )
        return stats.select(list(channels.names))
    if stats.shape != channels.shape:
        shapes = ", ".join(str(field.shape) for field in item.fields[:3])
        axes = ", ".join(str(field.channel_axis) for field in item.fields[:3])
        raise JobError(
            f"{path}: statistics of channels {stats.shape}, but {item.path} has channels {channels.shape} "
            f"(shape {shapes}, channel axis {axes})"
        )
    return stats

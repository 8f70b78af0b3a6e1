"""The files of a data set: those named, those that match a pattern, those below a directory."""

from __future__ import annotations

import glob
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastbn._printable import printable
from fastbn._records import plain

from ._channels import Channels
from ._choice import Choice
from ._errors import JobError
from ._fields import Field, Source
from .formats import format_of, is_store, named, open_source

MOST_SHOWN = 5  # fields of a file in a line


@dataclass(frozen=True)
class Input:
    """A file that was looked at, and is opened again for every pass over it: there may be more than can be open."""

    path: Path
    name: Path  # where it goes below a directory of outputs
    choice: Choice
    format: str
    fields: tuple[Field, ...]
    identity: Any
    directory: bool
    needs: Callable[[Sequence[np.dtype[Any]]], int]  # bytes of an output with such dtypes, as far as is known

    @property
    def nbytes(self) -> int:
        """Bytes of all its fields in memory."""
        return sum(field.nbytes for field in self.fields)

    def open(self) -> Source:
        """Open it; a JobError if somebody has written to it."""
        source = open_source(self.path, self.choice)
        try:
            self.check(source)
        except BaseException:
            source.close()
            raise
        return source

    def check(self, source: Source) -> None:
        """Refuse it if somebody has written to it; to be called once more when it is read."""
        if source.identity != self.identity:
            raise JobError(f"{self.path}: somebody has changed it since this job began")

    def __str__(self) -> str:
        shown = [
            f"{field.name + ' ' if field.name else ''}{field.dtype} {field.shape}" for field in self.fields[:MOST_SHOWN]
        ]
        left = len(self.fields) - len(shown)
        return printable(f"{self.path} ({self.format}: {', '.join(shown)}{f' and {left} more' if left else ''})")

    def listing(self) -> str:
        """A headline, and a line for every field."""
        lines = [f"{self.path}: {self.format}, {self.nbytes} bytes in memory"]
        for field in self.fields:
            channels = field.axes.channels
            facts = [f"{field.dtype} {field.shape}", f"{channels} channel{'s' * (channels != 1)}"]
            facts += [] if field.axes.kept == () else [f"axis {', '.join(map(str, field.axes.kept))}"]
            facts += [] if field.blocks is None else [f"blocks {field.blocks}"]
            facts += [] if field.nodata is None else [f"nodata {_listed(field.nodata)}"]
            facts += (
                []
                if field.channels is None
                else [f"named {', '.join(field.channels[:MOST_SHOWN])}{', ...' * (channels > MOST_SHOWN)}"]
            )
            lines.append(f"  {field.name + ': ' if field.name else ''}{', '.join(facts)}")
        return "\n".join(map(printable, lines))

    def record(self) -> dict[str, Any]:
        """What JSON can hold of it."""
        fields = [
            {
                "name": field.name,
                "shape": list(field.shape),
                "dtype": field.dtype.name,
                "channel_axes": list(field.axes.kept),
                "channels": None if field.channels is None else list(field.channels),
                "blocks": None if field.blocks is None else list(field.blocks),
                "nodata": None if field.nodata is None else _listed(field.nodata),
            }
            for field in self.fields
        ]
        return {"path": str(self.path), "format": self.format, "fields": fields}


def _listed(nodata: Any) -> Any:
    """Values that stand for none: one, or one for each channel."""
    values = [plain(value) for value in np.asarray(nodata).reshape(-1).tolist()]
    return values[0] if len(set(values)) == 1 else values


def look(paths: Sequence[Path], choice: Choice) -> list[Input]:
    """Find the files that are meant and look at each; all have to hold the same channels."""
    inputs = []
    for path, name in _found(paths):
        with open_source(path, choice) as source:
            _check_axes(source)
            inputs.append(
                Input(
                    path, name, choice, source.format, source.fields, source.identity, source.directory, source.needs
                )
            )  # fmt: skip
    first = Channels(inputs[0].fields)
    for other in inputs[1:]:
        channels = Channels(other.fields)
        if (channels.shape, channels.names) != (first.shape, first.names):
            reordered = channels.names is not None and sorted(channels.names) == sorted(first.names or ())
            hint = "name them in one order, by --columns, --variables or --bands" if reordered else "not one data set"
            raise JobError(
                f"{other.path}: channels {_shown(channels)}, but {inputs[0].path} has channels {_shown(first)}: {hint}"
            )
    times = Counter(item.name for item in inputs)
    for item in inputs:
        if times[item.name] > 1:
            raise JobError(f"{item.path}: several files of the name {item.name}: their outputs would be one")
    return inputs


def _check_axes(source: Source) -> None:
    try:
        Channels(source.fields)
    except ValueError as error:
        raise JobError(f"{source.path}: {error}") from None


def title_of(inputs: Sequence[Input]) -> str:
    """A data set in a few words."""
    return inputs[0].path.name if len(inputs) == 1 else f"{inputs[0].path.name} and {len(inputs) - 1} more"


def check_unread(outs: Sequence[Path], inputs: Sequence[Input]) -> None:
    """Refuse outputs that are inputs, or lie in one which is a directory."""
    read = {Path(os.path.realpath(item.path)) for item in inputs}
    for out in outs:
        place = Path(os.path.realpath(out))
        if not read.isdisjoint((place, *place.parents)):
            raise JobError(f"{out}: a file that is read as well (--in-place replaces the files that are read)")


def check_outside(out: Path, paths: Sequence[Path]) -> None:
    """Refuse a directory of outputs below one of inputs: done again, the outputs would be inputs."""
    place = Path(os.path.realpath(out))
    for path in paths:
        if path.is_dir() and not is_store(path) and place.is_relative_to(os.path.realpath(path)):
            raise JobError(f"{out}: lies in {path}, all files of which are read")


def refuse_doubles(inputs: Sequence[Input]) -> None:
    """Refuse links to files that are inputs by themselves: what is replaced twice would be normalized twice."""
    seen: dict[str, Path] = {}
    for item in inputs:
        other = seen.setdefault(os.path.realpath(item.path), item.path)
        if other is not item.path:
            raise JobError(f"{item.path}: the same file as {other}, and --in-place replaces a file once")


def is_one(paths: Sequence[Path]) -> bool:
    """Whether one file is meant, by its own name."""
    return len(paths) == 1 and not _is_pattern(paths[0]) and not (paths[0].is_dir() and not is_store(paths[0]))


def _shown(channels: Channels) -> str:
    return str(channels.shape) if channels.names is None else ", ".join(channels.names)


def _is_pattern(path: Path) -> bool:
    return glob.has_magic(str(path)) and not os.path.lexists(path)


def _found(paths: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    for path in paths:
        if _is_pattern(path):
            yield from _matching(path)
        elif path.is_dir() and not is_store(path):
            yield from _below(path)
        else:
            format_of(path)
            yield path, Path(path.name)


def _matching(pattern: Path) -> Iterator[tuple[Path, Path]]:
    fixed = itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts[:-1])
    root = Path(*fixed)
    matches = [Path(match) for match in sorted(glob.glob(str(pattern), recursive=True))]  # noqa: PTH207 - of Path's, none takes an absolute pattern
    files = [match for match in matches if is_store(match) or match.is_file()]
    if not files:
        raise JobError(f"{pattern}: no file matches")
    for file in files:
        name = file.relative_to(root)
        if ".." in name.parts:
            raise JobError(f"{file}: '..' behind a pattern: its output would not be below OUT")
        yield file, name


def _below(root: Path) -> Iterator[tuple[Path, Path]]:
    files = list(_walk(root, root))
    if not files:
        raise JobError(f"{root}: no files of a known format in it")
    yield from files


def _walk(root: Path, directory: Path) -> Iterator[tuple[Path, Path]]:
    """Files of known names, by name; links to directories are not followed, and what starts with a dot is left out."""
    for path in sorted(directory.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_symlink() and not path.exists() and named(path) is not None:
            raise JobError(f"{path}: a symbolic link to nothing")
        if is_store(path) or (path.is_file() and named(path) is not None):
            yield path, path.relative_to(root)
        elif path.is_dir() and not path.is_symlink():
            yield from _walk(root, path)

"""Writing what becomes of files: tile by tile, beside each target, which is replaced when all is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbn._files import errors_of, remove

from ._channels import Channels, Statistics, absence, key_of, nodata_of
from ._choice import Missing
from ._fields import Field, Place, Sink, Source, Values
from ._files import Building, check_free, inode_of
from ._flow import Writer, plan, read_ahead
from ._inputs import Input
from ._journal import Checkpoints, Journal
from ._measure import refuse_nan
from ._progress import progress
from .formats import companions

Transform = Callable[..., NDArray[Any]]  # (x, stats, channel_axis, out) -> out
Watch = Callable[[Field, Place, Values, Any], None]


class Target(NamedTuple):
    """Where an input goes."""

    number: int
    input: Input
    out: Path
    dtypes: tuple[np.dtype[Any], ...]  # of its fields, as they are written


class Writing(NamedTuple):
    """How files are transformed."""

    function: Transform
    stats: Statistics
    missing: Missing
    memory: int
    overwrite: bool
    careful: bool  # several files, or in place: what is complete has to be known, however short the job
    journal: Journal
    watch: Watch

    def write(self, targets: Sequence[Target]) -> None:
        """Write every file that is not complete yet."""
        with progress("writing", [target.input.nbytes for target in targets]) as done:
            for target in targets:
                if target.number in self.journal.said.done:
                    done(target.input.nbytes)
                else:
                    self._write(target, done)

    def _write(self, target: Target, done: Callable[[int], object]) -> None:
        scratch, tiles, complete = self._earlier(target)
        building = Building(target.out, directory=target.input.directory, scratch=scratch)
        try:
            if scratch is None and self.journal.begun:  # else nobody would know whose it is, should this process die
                self.journal.note(**self._about(target, building))
            if not complete:
                with errors_of(target.out, building.scratch), target.input.open() as source:
                    self._fill(source, target, building, tiles, done)
                    target.input.check(source)
                check_free(target.out, self.overwrite)
                building.sync()
                if self.careful or self.journal.begun:
                    self.journal.note(**self._about(target, building), installing=building.inode)
            if self.journal.said.installing and inode_of(target.out) == self.journal.said.installing:
                building.remove()  # it had appeared when an earlier process ended, and what was there before is left
            else:
                building.install()
            for path in companions(target.input.format, target.out):  # of the file that was there before
                path.unlink()
            if self.journal.begun:
                self.journal.note(done=target.number)
        except BaseException:
            if not (self.journal.lasting and self.journal.said.usable(target.number)):
                building.remove()
            raise
        finally:
            building.close()

    def _earlier(self, target: Target) -> tuple[str | None, int, bool]:
        """What an earlier process left of a file: its temporary name, its tiles, and whether these are all."""
        said = self.journal.said
        if said.current is None or said.current[0] != target.number:
            return None, 0, False
        # Beside the target, wherever the journal says: somebody else may have written that.
        scratch = Path(os.path.realpath(target.out)).with_name(Path(said.current[1]).name)
        if said.installing and said.installing in {inode_of(scratch), inode_of(target.out)}:
            return scratch.name, 0, True
        if said.tiles and scratch.exists():
            return scratch.name, said.tiles, False
        remove(scratch)
        return None, 0, False

    def _fill(
        self, source: Source, target: Target, building: Building, tiles: int, done: Callable[[int], object]
    ) -> None:
        limit, depth = plan(source, self.memory, max((dtype.itemsize for dtype in target.dtypes), default=1))
        channels = Channels(source.fields)
        sink: Sink = source.sink(building.scratch, target.dtypes, tiles)
        with closing(sink):
            if source.resumable:
                sink = Checkpoints(sink, self.journal, self._about(target, building), tiles)
            rest = islice(source.tiles(limit, whole_channels=False), tiles, None)
            with Writer(sink, depth).running() as writer, closing(read_ahead(source, rest, depth)) as ahead:
                for tile, values in ahead:
                    parts = zip(tile, values, strict=True)
                    made = [self._made(channels, target, place, value, done) for place, value in parts]
                    writer.put(tile, made)

    def _made(
        self, channels: Channels, target: Target, place: Place, value: Values, done: Callable[[int], object]
    ) -> Values:
        field = channels.fields[place.field]
        nodata = nodata_of(field, self.missing.nodata, place)
        if self.missing.nan_policy == "raise":
            refuse_nan(target.input, field, place, value, nodata)
        self.watch(field, place, value, nodata)
        lengths = [value.data.shape[axis] for axis in field.order]
        out = np.empty(lengths, target.dtypes[place.field]).transpose(np.argsort(field.order))
        part = channels.part(self.stats, key_of(field, place))
        self.function(value.data, stats=part, channel_axis=field.channel_axis, out=out)
        absent = absence(field, value, nodata)
        if absent is not None:
            np.copyto(out, np.nan, where=absent)
        done(value.data.nbytes)
        return Values(out, absent)

    def _about(self, target: Target, building: Building) -> dict[str, Any]:
        name = os.path.relpath(building.scratch, self.journal.path.parent)
        return {"file": target.number, "scratch": name}

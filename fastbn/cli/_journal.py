"""What a long job has done so far, in a file beside its output, so that another process can go on with it.

A line of JSON for each step, added only after what it speaks of is synced: the job, the statistics it found, the file
that is being written and how many tiles of it are safe, the files that are complete. Short jobs never write one.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, Self

from fastbn._files import digest_of_name, errors_of, remove, sync_directory

from ._errors import JobError
from ._fields import Sink, Tile, Values
from ._files import inode_of

EVERY = 2.0  # seconds between entries, at least
SHARE = 10  # times the last entry took, at least: a store of very many files takes long to sync
SCRATCH = re.compile(r"\.fastbn-[0-9a-f]{16}\.tmp")
LONGEST = 255  # bytes of a name, in most file systems
MOST = 2**28  # bytes of a journal that is read


class Progress:
    """What the steps of a journal say."""

    def __init__(self) -> None:
        self.job: Mapping[str, Any] = {}
        self.stats: Any = None  # the record of what was found
        self.done: set[int] = set()  # files that are complete, by number
        self.current: tuple[int, str] | None = None  # the file that was being written, and its temporary name
        self.tiles = 0  # of it that are safe
        self.installing = 0  # its inode, if it was about to appear under its name

    @property
    def replaced(self) -> bool:
        """Whether inputs may be gone: without the journal nobody could tell which, nor undo it."""
        return bool(self.job.get("in_place")) and bool(self.done or self.installing)

    def usable(self, number: int) -> bool:
        """Whether what was written of a file that is not complete is worth going on with."""
        return self.current is not None and self.current[0] == number and bool(self.tiles or self.installing)

    def add(self, entry: Mapping[str, Any]) -> None:
        """Take one more step."""
        if "job" in entry:
            self.job = dict(entry["job"])
        if "stats" in entry:
            self.stats = entry["stats"]
        if "scratch" in entry:
            if not SCRATCH.fullmatch(Path(entry["scratch"]).name):
                raise ValueError(f"scratch: {entry['scratch']!r}")
            self.current, self.tiles, self.installing = (int(entry["file"]), entry["scratch"]), 0, 0
        self.tiles = int(entry.get("tiles", self.tiles))
        self.installing = int(entry.get("installing", self.installing))
        if "done" in entry:
            self.done.add(int(entry["done"]))
            self.current, self.tiles, self.installing = None, 0, 0


class Journal:
    """The steps of a job; of an earlier one as well, if that is to be gone on with."""

    def __init__(self, path: Path, job: Mapping[str, Any], *, resume: bool) -> None:
        self.path = path
        self.resume = resume
        self.said = Progress()
        self._job = json.loads(json.dumps(job))  # as it is read again
        self._file: FileIO | None = None
        self._start = time.monotonic()
        if not os.path.lexists(path):
            return
        earlier = _open_locked(path)
        try:
            said = _read(path, earlier)
            if resume and said.job:
                _refuse_other(path, said, self._job)
        except BaseException:
            earlier.close()
            raise
        if resume and said.job:
            self.said, self._file = said, earlier
            return
        if said.replaced:
            earlier.close()
            raise JobError(f"{path}: a job in place has replaced some of its files: go on with it by --resume")
        if said.current is not None:
            _remove_below(path.parent, said.current[1])
        remove(path)
        earlier.close()

    @property
    def begun(self) -> bool:
        """Whether anything was noted."""
        return self._file is not None

    @property
    def lasting(self) -> bool:
        """Whether it stays there if the job fails."""
        return self.resume or self.said.replaced

    def note(self, **entry: Any) -> None:
        """Add a step that lasts."""
        if self._file is None:
            try:
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                raise _busy(self.path) from None
            os.close(descriptor)
            self._file = _open_locked(self.path)
            self._write({"job": self._job})
            self.said.add({"job": self._job})
            sync_directory(self.path.parent)
        self._write(entry)
        self.said.add(entry)

    def note_stats(self, record: Mapping[str, Any], *, always: bool) -> None:
        """Add the statistics, unless finding them again takes no time."""
        if always or self.begun or time.monotonic() - self._start >= EVERY:
            self.note(stats=record)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        """Let go of it, and leave it there only if another process shall go on."""
        if self._file is not None:
            if not (failed and self.lasting):
                remove(self.path)
            self._file.close()

    def _write(self, entry: Mapping[str, Any]) -> None:
        assert self._file is not None
        left = memoryview(json.dumps(entry, allow_nan=False).encode() + b"\n")
        with errors_of(self.path, self.path):
            while left:  # a disk that is nearly full takes a part of a line, without an error
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())


class Checkpoints:
    """A sink that notes from time to time how much of its file is safe."""

    def __init__(self, sink: Sink, journal: Journal, about: Mapping[str, Any], done: int) -> None:
        self._sink = sink
        self._journal = journal
        self._about = about
        self._written = done
        self._next = time.monotonic() + EVERY

    def write(self, tile: Tile, values: Sequence[Values]) -> None:
        """Write a tile."""
        self._sink.write(tile, values)
        self._written += 1
        if time.monotonic() >= self._next:
            self.sync()

    def sync(self) -> None:
        """Have what was written last, and say so."""
        start = time.monotonic()
        self._sink.sync()
        self._journal.note(**self._about, tiles=self._written)
        end = time.monotonic()
        self._next = end + max(EVERY, SHARE * (end - start))

    def close(self) -> None:
        """Write what is still missing."""
        self._sink.close()


def journal_of(out: Path, *, directory: bool) -> Path:
    """Where the journal of an output is; of a directory of outputs, in it."""
    if directory:
        return out / ".fastbn-journal"
    name = f".{out.name}.fastbn-journal"
    return out.with_name(name if len(os.fsencode(name)) <= LONGEST else f".fastbn-{digest_of_name(out)}.journal")


def _remove_below(folder: Path, name: str) -> None:
    """Remove what was being written, unless that is elsewhere: names in a file may be anybody's.

    Then whoever writes there next finds it.
    """
    scratch = folder / name
    if Path(os.path.realpath(scratch.parent)).is_relative_to(os.path.realpath(folder)):
        remove(scratch)


def _open_locked(path: Path) -> FileIO:
    """Open a journal for this process alone."""
    if path.is_symlink() or not path.is_file():
        raise JobError(f"{path}: not a journal of fastbn")
    file = FileIO(path, "r+")
    try:
        import fcntl
    except ImportError:  # Windows, which has no such locks
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise _busy(path) from None
    except OSError:  # a file system without locks
        pass
    if inode_of(path) != os.fstat(file.fileno()).st_ino:  # another process has removed it, or made its own
        file.close()
        raise _busy(path)
    return file


def _busy(path: Path) -> JobError:
    return JobError(f"{path}: another process is at this job")


def _read(path: Path, file: FileIO) -> Progress:
    """Read the steps; a last one that was cut short is cut off."""
    text = file.read(MOST) or b""
    complete = text.rfind(b"\n") + 1
    said = Progress()
    try:
        for line in text[:complete].splitlines():
            said.add(json.loads(line))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise JobError(f"{path}: a damaged journal: remove it to start anew") from error
    if complete and not said.job:
        raise JobError(f"{path}: a damaged journal: remove it to start anew")
    file.seek(complete)
    file.truncate()
    return said


def _refuse_other(path: Path, said: Progress, wanted: Mapping[str, Any]) -> None:
    """Refuse to go on with another job. Files that are complete may be others: those that were replaced in place."""
    for name, value in wanted.items():
        there = said.job.get(name)
        if name == "identities" and isinstance(there, list) and len(there) == len(value):
            open_ones = [number for number in range(len(value)) if number not in said.done]
            if said.current is not None and said.installing:
                open_ones = [number for number in open_ones if number != said.current[0]]
            same = all(there[number] == value[number] for number in open_ones)
        else:
            same = there == value
        if not same:
            what = "an input has changed" if name == "identities" else f"its {name} was {there!r}, and is now {value!r}"
            raise JobError(f"{path}: --resume: {what}; without --resume, the job starts anew")

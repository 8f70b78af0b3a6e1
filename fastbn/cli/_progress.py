"""How far a job is: a bar with rate and time left on a terminal, a line now and then in a log."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

EVERY = 10.0  # seconds between lines: short jobs say nothing
OFTEN = 0.2  # seconds between two states of a line that is written over


@contextmanager
def progress(label: str, sizes: Sequence[int]) -> Iterator[Callable[[int], object]]:
    """Yield a function to call with the number of bytes just done of files of these sizes, one after the other."""
    if sys.stderr is None:
        yield _ignore
    elif not sys.stderr.isatty():
        yield _Lines(label, sizes).add
    else:
        with _bar(label, sizes) as add:
            yield add


@contextmanager
def _bar(label: str, sizes: Sequence[int]) -> Iterator[Callable[[int], object]]:
    """A bar, or where tqdm is not installed, a line that is written over; it is wiped off whatever happens."""
    try:
        from tqdm import tqdm  # optional, and wanted on a terminal only
    except ImportError:
        line = _Overwritten(label, sizes)
        try:
            yield line.add
        finally:
            line.wipe()
        return

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0  # no thread of its own, which would outlive the job

    state = _State(label, sizes)
    total = sum(sizes)
    with Bar(
        desc=state.label, total=total, unit="B", unit_scale=True, leave=False, file=sys.stderr, dynamic_ncols=True
    ) as bar:

        def add(count: int) -> None:
            state.count(count)
            bar.set_description(state.label, refresh=False)
            bar.update(count)

        yield add


class _State:
    """How much is done."""

    def __init__(self, label: str, sizes: Sequence[int]) -> None:
        self._label = label
        self._ends = list(itertools.accumulate(sizes))
        self._done = 0
        self._start = time.monotonic()

    def count(self, count: int) -> None:
        """Count what was done."""
        self._done += count

    @property
    def label(self) -> str:
        """What is done, and with which of the files."""
        if len(self._ends) < 2:
            return self._label
        file = min(bisect_right(self._ends, self._done), len(self._ends) - 1)
        return f"{self._label} {file + 1}/{len(self._ends)} files"

    def text(self, now: float) -> str:
        """All there is to say."""
        total = self._ends[-1] if self._ends else 0
        rate = self._done / (now - self._start) if now > self._start else 0.0
        share = 100 * min(1.0, self._done / total) if total else 100.0
        left = f", {_clock(max(0, total - self._done) / rate)} left" if rate else ""
        return f"{self.label}: {share:.0f} %, {rate / 1e6:.0f} MB/s{left}"


class _Lines(_State):
    """Progress for a log."""

    def __init__(self, label: str, sizes: Sequence[int]) -> None:
        super().__init__(label, sizes)
        self._last = self._start

    def add(self, count: int) -> None:
        """Count, and say so if the last line is old."""
        self.count(count)
        now = time.monotonic()
        if now - self._last >= EVERY:
            self._last = now
            print(f"fastbn: {self.text(now)}", file=sys.stderr, flush=True)


class _Overwritten(_State):
    """Progress on a terminal, in one line."""

    def __init__(self, label: str, sizes: Sequence[int]) -> None:
        super().__init__(label, sizes)
        self._last = self._start
        self._width = 0  # of what stands there

    def add(self, count: int) -> None:
        """Count, and write the line anew if it is old."""
        self.count(count)
        now = time.monotonic()
        if now - self._last >= OFTEN:
            self._last = now
            self._write(self.text(now))

    def wipe(self) -> None:
        """Leave an empty line."""
        if self._width:
            self._write("")
            print("\r", end="", file=sys.stderr, flush=True)

    def _write(self, text: str) -> None:
        room = _columns() - 1  # in the last column some terminals start a new line
        text = text[:room]
        print("\r" + text.ljust(min(self._width, room)), end="", file=sys.stderr, flush=True)
        self._width = len(text)


def _columns() -> int:
    """The width of the terminal; standard output may be a file."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return shutil.get_terminal_size().columns


def _clock(seconds: float) -> str:
    """Time as tqdm writes it."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


def _ignore(done: int) -> None:
    """Stand in for the bar."""

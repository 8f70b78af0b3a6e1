"""How far a job is: a bar with rate and time left on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 10.0  # seconds between lines: short jobs say nothing


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], object]]:
    """Yield a function to call with the number of bytes just done."""
    if sys.stderr is None:
        yield _ignore
        return
    if not sys.stderr.isatty():
        yield _Lines(label, total).add
        return
    try:
        from tqdm import tqdm  # optional, and wanted on a terminal only
    except ImportError:
        yield _Lines(label, total).add
        return
    with tqdm(desc=label, total=total, unit="B", unit_scale=True, leave=False, file=sys.stderr) as bar:
        yield bar.update


class _Lines:
    """Progress for a log."""

    def __init__(self, label: str, total: int) -> None:
        self._label = label
        self._total = total
        self._done = 0
        self._start = self._last = time.monotonic()

    def add(self, count: int) -> None:
        """Count, and say so if the last line is old."""
        self._done += count
        now = time.monotonic()
        if now - self._last < EVERY:
            return
        self._last = now
        rate = self._done / (now - self._start)
        left = max(0, self._total - self._done) / rate if rate else 0.0
        share = 100 * self._done / self._total if self._total else 100.0
        print(
            f"fastbn: {self._label}: {share:.0f} %, {rate / 1e6:.0f} MB/s, {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )


def _ignore(done: int) -> None:
    """Stand in for the bar."""

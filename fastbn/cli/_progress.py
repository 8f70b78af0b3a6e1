"""A progress bar, where somebody is there to see it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], object]]:
    """Yield a function to call with the number of bytes just done."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield _ignore
        return
    try:
        from tqdm import tqdm  # optional, and wanted on a terminal only
    except ImportError:
        yield _ignore
        return
    with tqdm(desc=label, total=total, unit="B", unit_scale=True, leave=False, file=sys.stderr) as bar:
        yield bar.update


def _ignore(done: int) -> None:
    """Stand in for the bar."""

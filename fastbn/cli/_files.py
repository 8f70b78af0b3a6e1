"""Output files: either the whole file appears under its name, or nothing does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .._files import replacing
from ._errors import JobError


def check_output(out: Path, *, inputs: Sequence[Path], overwrite: bool) -> None:
    """Refuse an output file that must not, or cannot, be written."""
    if not out.parent.is_dir():
        raise JobError(f"{out}: the directory {out.parent} does not exist")
    if out.exists():
        if not out.is_file():
            raise JobError(f"{out}: not a regular file")
        if any(out.samefile(path) for path in inputs):
            raise JobError(f"{out}: is an input of this command, and an input is never changed")
    _check_free(out, overwrite)


def check_space(out: Path, needed: int) -> None:
    """Refuse an output file of `needed` bytes that does not fit on its disk."""
    free = shutil.disk_usage(out.parent).free
    if needed > free:
        raise JobError(f"{out}: needs {needed} bytes, and its disk has {free} free")


@contextmanager
def atomic_output(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield the name of an empty file beside `out`: it becomes `out` if the block succeeds, and is removed if not."""
    # Checked once more at the end: a long job leaves others time to write there.
    with replacing(out, lambda: _check_free(out, overwrite)) as scratch:
        yield scratch


def _check_free(out: Path, overwrite: bool) -> None:
    if not overwrite and (out.exists() or out.is_symlink()):
        raise JobError(f"{out}: exists already (--overwrite replaces it)")

"""Output files: either the whole file appears under its name, or nothing does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._files import destination, replacing
from ._errors import JobError


def same_file(one: Path, other: Path) -> bool:
    """Whether two names lead to one file, be it there already or not."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    return one.exists() and other.exists() and one.samefile(other)  # hard links


def check_output(out: Path, *, overwrite: bool) -> None:
    """Refuse an output file that must not, or cannot, be written."""
    directory = destination(out).parent
    if not directory.is_dir():
        raise JobError(f"{out}: the directory {directory} does not exist")
    _check_free(out, overwrite)


def check_space(out: Path, needed: int) -> None:
    """Refuse an output file of `needed` bytes that does not fit on its disk."""
    free = shutil.disk_usage(destination(out).parent).free
    if needed > free:
        raise JobError(f"{out}: needs {needed} bytes, and its disk has {free} free")


@contextmanager
def atomic_output(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield the name of an empty file: it replaces that of `out` if the block succeeds, and is removed if not."""
    # Checked once more at the end: a long job leaves others time to write there.
    with replacing(out, lambda: _check_free(out, overwrite)) as scratch:
        yield scratch


def _check_free(out: Path, overwrite: bool) -> None:
    if not overwrite and (out.exists() or out.is_symlink()):
        raise JobError(f"{out}: exists already (--overwrite replaces it)")

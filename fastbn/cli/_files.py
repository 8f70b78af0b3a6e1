"""Output files: either the whole file appears under its name, or nothing does."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

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
    scratch = out.with_name(f".fastbn-{secrets.token_hex(8)}.tmp")
    try:
        scratch.touch(exist_ok=False)
        yield scratch
        if out.exists():
            shutil.copymode(out, scratch)
        with scratch.open("rb+") as file:
            os.fsync(file.fileno())
        _check_free(out, overwrite)  # once more: a long job leaves others time to write there
        scratch.replace(out)
    except BaseException:  # Ctrl-C and SIGTERM too
        scratch.unlink(missing_ok=True)
        raise
    _sync_directory(out.parent)


def _check_free(out: Path, overwrite: bool) -> None:
    if not overwrite and (out.exists() or out.is_symlink()):
        raise JobError(f"{out}: exists already (--overwrite replaces it)")


def _sync_directory(directory: Path) -> None:
    """Make the new name last through a power cut, where the system has a way to."""
    if os.name != "posix":
        return
    with suppress(OSError):  # some network file systems refuse; the file itself is complete and synced
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

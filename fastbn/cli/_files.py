"""Outputs: either the whole file, or directory, appears under its name, or nothing does."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .._files import destination, errors_of, install, replacing, scratch_beside, sync_directory, sync_file
from ._errors import JobError


def same_file(one: Path, other: Path) -> bool:
    """Whether two names lead to one file, be it there already or not."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    return one.exists() and other.exists() and one.samefile(other)  # hard links


def check_output(out: Path, *, overwrite: bool, directory: bool = False) -> None:
    """Refuse an output that must not, or cannot, be written."""
    if out.is_symlink():
        _check_link(out)
    target = _target(out, directory)
    if not target.parent.is_dir():
        raise JobError(f"{out}: the directory {target.parent} does not exist")
    check_free(out, overwrite)


def check_free(out: Path, overwrite: bool) -> None:
    """Refuse an output that is there already."""
    if not overwrite and (out.exists() or out.is_symlink()):
        raise JobError(f"{out}: exists already (--overwrite replaces it)")


def check_space(out: Path, needed: int) -> None:
    """Refuse outputs of `needed` bytes in all that do not fit on the disk."""
    place = Path(os.path.realpath(out))
    while not place.is_dir():  # directories that will be made
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise JobError(f"{out}: needs {needed} bytes, and its disk has {free} free")


@contextmanager
def atomic_output(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield the name of an empty file: it replaces that of `out` if the block succeeds, and is removed if not."""
    # Checked once more at the end: a long job leaves others time to write there.
    with replacing(out, lambda: check_free(out, overwrite)) as scratch:
        yield scratch


class Building:
    """An output that grows beside its target, until it replaces it or is given up."""

    def __init__(self, out: Path, *, directory: bool, scratch: str | None = None) -> None:
        self.out = out
        self.target = _target(out, directory)
        self.directory = directory
        self.scratch = scratch_beside(self.target) if scratch is None else self.target.with_name(scratch)
        with errors_of(out, self.scratch):
            if scratch is None and directory:
                self.scratch.mkdir()
            elif scratch is None:
                self.scratch.touch(exist_ok=False)

    def sync(self) -> None:
        """Have all of it last through a power cut."""
        with errors_of(self.out, self.scratch):
            if self.directory:
                sync_tree(self.scratch, set())
            else:
                sync_file(self.scratch)

    def install(self) -> None:
        """Let it, which is synced, appear under its name."""
        with errors_of(self.out, self.scratch):
            if self.directory:
                _install_directory(self.scratch, self.target)
            else:
                install(self.scratch, self.target)

    def remove(self) -> None:
        """Leave nothing of it."""
        remove(self.scratch)


def remove(path: Path) -> None:
    """Remove a file or a directory as far as that can be done."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def sync_tree(directory: Path, synced: set[str]) -> None:
    """Have the files of a directory last through a power cut, but for those that are known to."""
    for parent, _, names in os.walk(directory):
        fresh = [path for name in names if (path := f"{parent}/{name}") not in synced]
        for path in fresh:
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        synced.update(fresh)
        sync_directory(Path(parent))


def _target(out: Path, directory: bool) -> Path:
    if not directory:
        return destination(out)
    target = Path(os.path.realpath(out))
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise JobError(f"{out}: not a directory, and the output is one")
    return target


def _install_directory(scratch: Path, target: Path) -> None:
    if target.exists():
        # Two renames: between them there is nothing under the name, but never half of something.
        old = scratch_beside(target)
        target.rename(old)
        try:
            scratch.rename(target)
        except BaseException:
            old.rename(target)
            raise
        remove(old)
    else:
        scratch.rename(target)
    sync_directory(target.parent)


def _check_link(link: Path) -> None:
    """Do not write through a link that somebody else may have laid."""
    target = Path(os.path.realpath(link))
    for parent in (link.parent, target.parent):
        with suppress(OSError):
            if parent.stat().st_mode & stat.S_IWOTH:
                raise JobError(f"{link}: a symbolic link in or into {parent}, where everybody can write: not followed")

"""Outputs: either the whole file, or directory, appears under its name, or nothing does."""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .._files import (
    Scratch,
    destination,
    errors_of,
    install,
    locked,
    new_file,
    remove,
    replacing,
    scratch_beside,
    sync_directory,
    sync_file,
)
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
        with errors_of(out, self.target.parent):
            self._held = self._made() if scratch is None else self._found(scratch)
        self.scratch = self._held.path

    @property
    def inode(self) -> int:
        """What is the same before it appears under its name and after."""
        return inode_of(self.scratch)

    def _made(self) -> Scratch:
        return scratch_beside(self.target, Path.mkdir if self.directory else new_file)

    def _found(self, name: str) -> Scratch:
        path = self.target.with_name(name)
        try:
            return locked(path)
        except FileNotFoundError:  # it has appeared under its name
            return Scratch(path)

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
        """Leave nothing of it, or of what it has replaced."""
        remove(self.scratch)

    def close(self) -> None:
        """Let others at it."""
        self._held.release()


def inode_of(path: Path) -> int:
    """The number of a file or a directory; 0 if there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return 0


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
    if not target.exists():
        scratch.rename(target)
    elif not _exchanged(scratch, target):
        # Two renames: between them there is nothing under the name, but never half of something.
        old = target.with_name(f".fastbn-{secrets.token_hex(8)}.old")
        target.rename(old)
        try:
            scratch.rename(target)
        except BaseException:
            old.rename(target)
            raise
        remove(old)
    sync_directory(target.parent)
    remove(scratch)  # what was there before


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two names in one step, where the system can."""
    try:
        exchange = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):  # only Linux has it
        return False
    here, flags = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return not exchange(here, os.fsencode(one), here, os.fsencode(other), flags)


def _check_link(link: Path) -> None:
    """Do not write through a link that somebody else may have laid."""
    target = Path(os.path.realpath(link))
    for parent in (link.parent, target.parent):
        with suppress(OSError):
            if parent.stat().st_mode & stat.S_IWOTH:
                raise JobError(f"{link}: a symbolic link in or into {parent}, where everybody can write: not followed")

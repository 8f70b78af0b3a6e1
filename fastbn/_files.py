"""Files that appear whole under their name or not at all, and statistics in them."""

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple


def destination(out: Path) -> Path:
    """The file that writing to `out` changes: links are followed, and devices, pipes and directories refused."""
    target = Path(os.path.realpath(out))
    if target.is_symlink():  # what is left of a loop
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(out))
    if target.exists() and not target.is_file():
        raise OSError(errno.EISDIR if target.is_dir() else errno.EINVAL, "not a regular file", str(out))
    return target


class Scratch(NamedTuple):
    """What will replace a file or a directory, and the lock by which others see that a process works on it."""

    path: Path
    lock: int | None = None  # None: nobody else looks for it, or there are no locks

    def release(self) -> None:
        """Let go of the lock."""
        if self.lock is not None:
            os.close(self.lock)


def scratch_beside(target: Path, make: Callable[[Path], object]) -> Scratch:
    """Make what will replace a file or directory, in the same directory.

    Its name follows from that of the target: what a process that was killed left there, and has no lock on any more, is
    found by the next one that writes the same, and removed. If somebody is at it, or nobody can tell, the name is
    another one.
    """
    path = target.with_name(f".fastbn-{digest_of_name(target)}.tmp")
    try:
        with suppress(FileNotFoundError):
            left = locked(path)
            if left.lock is not None:
                remove(path)
                left.release()
        make(path)
        return locked(path)
    except (BlockingIOError, FileExistsError, FileNotFoundError):  # another one may be as fast, and remove it again
        path = target.with_name(f".fastbn-{secrets.token_hex(8)}.tmp")
        make(path)
        return Scratch(path)


def digest_of_name(path: Path) -> str:
    """What stands for the name of a file in that of another one, which may not be longer."""
    return hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]


def locked(path: Path) -> Scratch:
    """Lock what is there: a BlockingIOError if another process has, a FileNotFoundError if there is nothing."""
    try:
        import fcntl
    except ImportError:  # Windows, which has no such locks
        return Scratch(path)
    lock = None
    try:
        lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(lock), path.stat()):
            raise FileNotFoundError(errno.ENOENT, "replaced meanwhile", str(path))
    except (BlockingIOError, FileNotFoundError):
        Scratch(path, lock).release()
        raise
    except OSError:  # in a file system without locks
        Scratch(path, lock).release()
        return Scratch(path)
    return Scratch(path, lock)


def remove(path: Path) -> None:
    """Remove a file or a directory as far as that can be done."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def install(scratch: Path, target: Path) -> None:
    """Let a complete file replace another one, so that it lasts through a power cut."""
    if target.exists():
        shutil.copymode(target, scratch)
    sync_file(scratch)
    scratch.replace(target)
    sync_directory(target.parent)


@contextmanager
def replacing(out: Path, check: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """Yield the name of an empty file: it replaces that of `out` if the block and `check` succeed, else it goes."""
    target = destination(out)
    with errors_of(out, target.parent):
        scratch = scratch_beside(target, new_file)
    try:
        with errors_of(out, scratch.path):
            yield scratch.path
            check()
            install(scratch.path, target)
    except BaseException:  # Ctrl-C and SIGTERM too
        remove(scratch.path)  # as far as it can be: the first error counts
        raise
    finally:
        scratch.release()


def new_file(path: Path) -> None:
    """Make an empty file; a FileExistsError if there is something."""
    path.touch(exist_ok=False)


@contextmanager
def errors_of(out: Path, scratch: Path) -> Iterator[None]:
    """Say the user's name where an error says a temporary one, which means nothing to the user, or none."""
    try:
        yield
    except OSError as error:
        inside = error.filename is None or Path(os.fsdecode(error.filename)).is_relative_to(scratch)
        if error.errno and inside:
            raise OSError(error.errno, error.strerror, str(out)) from error
        raise


def sync_file(path: Path) -> None:
    """Make the content of a file last through a power cut."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Make the new name last through a power cut, where the system has a way to."""
    if os.name != "posix":
        return
    with suppress(OSError):  # some network file systems refuse; the file itself is complete and synced
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_record(path: Any, record: Mapping[str, Any]) -> None:
    """Write a record as strict JSON."""
    with replacing(_as_path(path)) as scratch:
        scratch.write_text(json.dumps(record, allow_nan=False, indent=1) + "\n", encoding="utf-8")


def read_record(path: Any) -> Any:
    """Read JSON, or say in one line that it is none."""
    file = _as_path(path)
    try:
        with errors_of(file, file):
            return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # json and Unicode errors are ValueErrors
        raise ValueError(f"path: {str(file)!r} is not a JSON file of statistics ({error})") from None


def _as_path(path: Any) -> Path:
    try:
        name = os.fsdecode(path)
    except TypeError:
        raise TypeError(f"path: got {type(path).__name__}; wants str, bytes or a path-like object") from None
    if "\0" in name:
        raise ValueError(f"path: got {name!r}; wants a name without a null character")
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # half of a character
        raise ValueError(f"path: got {name!r}; wants a name that files can have") from None
    return Path(name)

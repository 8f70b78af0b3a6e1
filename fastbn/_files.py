"""Files that appear whole under their name or not at all, and statistics in them."""

import errno
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def destination(out: Path) -> Path:
    """The file that writing to `out` changes: links are followed, and devices, pipes and directories refused."""
    target = Path(os.path.realpath(out))
    if target.is_symlink():  # what is left of a loop
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(out))
    if target.exists() and not target.is_file():
        raise OSError(errno.EISDIR if target.is_dir() else errno.EINVAL, "not a regular file", str(out))
    return target


def scratch_beside(target: Path) -> Path:
    """A name for what will replace a file, in the same directory, which nobody else has."""
    return target.with_name(f".fastbn-{secrets.token_hex(8)}.tmp")


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
    scratch = scratch_beside(target)
    try:
        with errors_of(out, scratch):
            scratch.touch(exist_ok=False)
            yield scratch
            check()
            install(scratch, target)
    except BaseException:  # Ctrl-C and SIGTERM too
        with suppress(OSError):  # it may not be there, or be out of reach: the first error counts
            scratch.unlink()
        raise


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
    return Path(name)

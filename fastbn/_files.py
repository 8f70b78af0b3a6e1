"""Files that appear whole under their name or not at all, and statistics in them."""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def replacing(out: Path, check: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """Yield the name of an empty file beside `out`: it becomes `out` if the block and `check` succeed, else it goes."""
    scratch = out.with_name(f".fastbn-{secrets.token_hex(8)}.tmp")
    try:
        scratch.touch(exist_ok=False)
        yield scratch
        if out.exists():
            shutil.copymode(out, scratch)
        with scratch.open("rb+") as file:
            os.fsync(file.fileno())
        check()
        scratch.replace(out)
    except BaseException:  # Ctrl-C and SIGTERM too
        scratch.unlink(missing_ok=True)
        raise
    _sync_directory(out.parent)


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


def write_record(path: str | os.PathLike[str], record: Mapping[str, Any]) -> None:
    """Write a record as strict JSON."""
    with replacing(Path(path)) as scratch:
        scratch.write_text(json.dumps(record, allow_nan=False, indent=1) + "\n", encoding="utf-8")


def read_record(path: str | os.PathLike[str]) -> Any:
    """Read JSON, or say in one line that it is none."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # json and Unicode errors are ValueErrors
        raise ValueError(f"path: {os.fspath(path)!r} is not a JSON file of statistics ({error})") from None

"""What a job does to files, step by step, so that it can be made to fail, or to die, at any of the steps."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from fastbn.cli import _journal
from fastbn.cli.formats import _npy

Step = Callable[[str], None]  # called with its name before a step

WRITING = ((os, "open"), (os, "fsync"), (os, "replace"), (os, "rename"), (os, "mkdir"), (shutil, "copyfile"))
REMOVING = ((os, "unlink"), (os, "rmdir"))
OPEN = os.open
LEAST = 64  # bytes that are always written at once


def numbered(act: Step, number: int, *, kind: Callable[[str], bool] = bool, after: bool = False) -> Step:
    """Act at one step of a kind, and maybe at all of them that follow."""
    seen = 0

    def step(name: str) -> None:
        nonlocal seen
        if kind(name):
            seen += 1
            if seen == number or (after and seen > number):
                act(name)

    return step


def reads(name: str) -> bool:
    return name == "read"


def writes(name: str) -> bool:
    return name not in {"read", "look"}


def file_class(step: Step) -> type[io.FileIO]:
    """Files that say when they are read and written, and take no more than a half of what they are given."""

    class File(io.FileIO):
        def write(self, content):
            step("write")
            view = memoryview(content).cast("B")
            return super().write(view if len(view) <= LEAST else view[: len(view) // 2])

        def readinto(self, room):
            step("read")
            view = memoryview(room).cast("B")
            return super().readinto(view if len(view) <= LEAST else view[: len(view) // 2])

        def readall(self):
            step("read")
            return super().readall()

        def read(self, size=-1):
            step("read")
            return super().read(size if 0 <= size <= LEAST else max(LEAST, size // 2) if size > 0 else size)

    return File


def opening(file_io: type[io.FileIO]) -> Callable[..., object]:
    """What `open` is with such files."""

    def opened(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
        raw = file_io(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        if "+" in mode:
            buffered = io.BufferedRandom(raw)
        elif "r" in mode:
            buffered = io.BufferedReader(raw)
        else:
            buffered = io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    return opened


@contextmanager
def watched(step: Step, calls=WRITING) -> Iterator[None]:
    """Call `step` before each step of what is done in the block: calls of the system, writing and reading of files."""
    file_io = file_class(step)

    def telling(call, name):
        def told(*args, **options):
            looking = call is OPEN and not args[1] & (os.O_WRONLY | os.O_RDWR)
            step("look" if looking else name)
            return call(*args, **options)

        return told

    with ExitStack() as stack:
        for module, name in calls:
            if hasattr(module, name):
                stack.enter_context(patch.object(module, name, telling(getattr(module, name), name)))
        stack.enter_context(patch.object(io, "open", opening(file_io)))
        for module in (_journal, _npy, *_hdf5()):
            stack.enter_context(patch.object(module, "FileIO", file_io))
        yield


def _hdf5():
    try:
        from fastbn.cli.formats import _hdf5_file
    except ImportError:
        return ()
    return (_hdf5_file,)

"""A file to which HDF5 writes, and never hears of an error.

HDF5 does not take a disk that is full: where that shows as it closes a file, objects stay half open, and the process
dies of a segmentation fault some calls later (HDF5 2.0). So a write that fails looks like any other to it: this and
all that follow are kept in memory, which is no more than a tile and the metadata, and `checked` raises the error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any


class UnfailingFile:
    """A file as h5py wants one from Python."""

    def __init__(self, path: Path) -> None:
        self._file = FileIO(path, "rb+")
        self._at = 0
        self._size = os.fstat(self._file.fileno()).st_size
        self._error: OSError | None = None
        self._kept: list[tuple[int, bytes]] = []  # where, and what, since the error

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Raise what went wrong with the file, rather than what HDF5 says meanwhile."""
        try:
            yield
        finally:
            if self._error is not None:
                raise self._error

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to another place."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """Say which place is next."""
        return self._at

    def read(self, size: int) -> bytes:
        """Read bytes."""
        room = bytearray(size)
        self.readinto(room)
        return bytes(room)

    def readinto(self, room: Any) -> int:
        """Read bytes; behind the end of the file there are zeros."""
        view = memoryview(room)
        start, size = self._at, len(view)
        view[:] = bytes(size)
        try:
            self._file.seek(start)
            left = view
            while left and (count := self._file.readinto(left)):
                left = left[count:]
        except OSError as error:
            self._error = self._error or error
        for at, content in self._kept:
            begin, end = max(start, at), min(start + size, at + len(content))
            if begin < end:
                view[begin - start : end - start] = content[begin - at : end - at]
        self._at += size
        return size

    def write(self, content: Any) -> int:
        """Write bytes, or keep them."""
        view = memoryview(content)
        if self._error is None:
            try:
                self._file.seek(self._at)
                left = view
                while left:
                    left = left[self._file.write(left) :]
            except OSError as error:
                self._error = error
        if self._error is not None:
            self._kept.append((self._at, bytes(view)))
        self._at += len(view)
        self._size = max(self._size, self._at)
        return len(view)

    def truncate(self, size: int) -> int:
        """Let the file end elsewhere."""
        if self._error is None:
            try:
                self._file.truncate(size)
            except OSError as error:
                self._error = error
        self._size = size
        return size

    def flush(self) -> None:
        """Nothing waits to be written."""

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

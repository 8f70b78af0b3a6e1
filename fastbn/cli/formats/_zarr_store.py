"""The directories of a Zarr store: what is in them, read with care, and chunks as the zarr library asks for them.

The hierarchy is that of the directories. What consolidated metadata say of it is not believed, so that no name in a
file leads anywhere. Symbolic links in a store are refused, as is what is no regular file.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from zarr.abc.store import RangeByteRequest
from zarr.storage import LocalStore

from .._errors import JobError, describe

MOST_METADATA = 2**23  # bytes of a file
V2_FILES = (".zarray", ".zgroup", ".zattrs", ".zmetadata")
Document = dict[str, Any]


class Node(NamedTuple):
    """An array or a group."""

    name: str  # with '/' between groups; the root has none
    array: bool
    metadata: Document  # of Zarr 3, without what is consolidated
    attributes: Document
    files: int = 0  # that hold chunks
    consolidated: bool = False

    @property
    def prefix(self) -> str:
        """What the names of arrays in the same group start with."""
        return self.name.rpartition("/")[0] + "/" * ("/" in self.name)


class Tree(NamedTuple):
    """All that is in a store."""

    zarr_format: int
    nodes: tuple[Node, ...]  # by name
    identity: str


def look(path: Path) -> Tree:
    """Look at every directory of a store."""
    zarr_format = 3 if (path / "zarr.json").is_file() else 2
    seen = hashlib.sha256()
    nodes = []
    waiting = [""]
    while waiting:
        name = waiting.pop()
        folder = path / name
        node = _node(folder, name, zarr_format)
        if node is None:
            continue
        below = sorted(_entries(folder), key=lambda entry: entry.name)
        for known in ("", "zarr.json", *V2_FILES):
            if os.path.lexists(folder / known):
                status = (folder / known).stat()
                size = 0 if not known else status.st_size
                seen.update(os.fsencode(f"{name}/{known}:{size}:{status.st_mtime_ns};"))
        if node.array:
            nodes.append(node._replace(files=_count(below, seen)))
            continue
        nodes.append(node)
        waiting += [f"{name}/{entry.name}" if name else entry.name for entry in below if entry.is_dir()]
    return Tree(zarr_format, tuple(sorted(nodes)), seen.hexdigest())


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                raise JobError(f"{entry.path}: a symbolic link in a Zarr store: not followed")
            if not entry.name.startswith(".") and entry.name != "zarr.json":
                try:
                    entry.name.encode()
                except UnicodeEncodeError:
                    raise JobError(f"{folder}: holds {os.fsencode(entry.name)!r}, which is no name in UTF-8") from None
                yield entry


def _count(entries: list[os.DirEntry[str]], seen: Any) -> int:
    """Count the files of chunks."""
    files = 0
    waiting = entries
    while waiting:
        entry = waiting.pop()
        if entry.is_dir():
            seen.update(os.fsencode(f"{entry.path}:{entry.stat().st_mtime_ns};"))
            waiting.extend(sorted(_entries(Path(entry.path)), key=lambda below: below.name))
        else:
            files += 1
    return files


def _node(folder: Path, name: str, zarr_format: int) -> Node | None:
    if zarr_format == 3:
        metadata = _document(folder / "zarr.json")
        if metadata is None:
            return None
        consolidated = metadata.pop("consolidated_metadata", None) is not None
        kind = metadata.get("node_type")
        if metadata.get("zarr_format") != 3 or kind not in ("array", "group"):
            raise JobError(f"{folder / 'zarr.json'}: neither an array nor a group of Zarr 3")
        attributes = metadata.get("attributes", {})
    else:
        metadata = _document(folder / ".zarray")
        kind = "group" if metadata is None else "array"
        if metadata is None:
            metadata = _document(folder / ".zgroup")
        if metadata is None:
            return None
        if metadata.get("zarr_format") != 2:
            raise JobError(f"{folder}: its zarr_format is not 2")
        attributes = _document(folder / ".zattrs") or {}
        consolidated = (folder / ".zmetadata").is_file()
    if not isinstance(attributes, dict):
        raise JobError(f"{folder}: its attributes are not a JSON object")
    return Node(name, kind == "array", metadata, attributes, consolidated=consolidated and kind == "group")


def _document(path: Path) -> Document | None:
    """The object in a file of JSON, if the file is there."""
    if not os.path.lexists(path):
        return None
    size = _size(path)
    if size > MOST_METADATA:
        raise JobError(f"{path}: {size} bytes of metadata; at most {MOST_METADATA} are read")
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError, MemoryError) as error:
        raise JobError(f"{path}: not the metadata of a Zarr store, or damaged: {describe(error)}") from error
    if not isinstance(document, dict):
        raise JobError(f"{path}: not the metadata of a Zarr store: no JSON object")
    return document


def _size(path: Path) -> int:
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise JobError(f"{path}: in a Zarr store, and no regular file")
    return status.st_size


class Chunks(LocalStore):  # type: ignore[misc, unused-ignore] # where the library is not, it has no types
    """The directory of one array, for the zarr library."""

    _supports_sync_io = False  # from 3.4 on, the library reads and writes past `get` and `set` where it may

    def __init__(self, root: Path, *, read_only: bool = False, most: int = 0, part: int = 0) -> None:
        super().__init__(root, read_only=read_only)
        self._most = most  # bytes of a file: what holds more is not read into memory
        self._part = part  # bytes of a part of one

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        """Read a file, or a part of it."""
        path = self.root / key
        try:
            size = _size(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not size:  # which the library takes for a shard without chunks
            raise JobError(f"{path}: an empty file, and no chunk is")
        if size > self._most:
            raise JobError(f"{path}: {size} bytes are more than a chunk of this array takes")
        self._check_part(path, byte_range)
        return await super().get(key, prototype, byte_range)

    def get_ranges(self, key: str, byte_ranges: Any, **options: Any) -> Any:
        """Read parts of a file; from 3.4 on, the library asks for several at once, and would join what is near."""
        for byte_range in byte_ranges:
            self._check_part(self.root / key, byte_range)
        joined = options | {"max_coalesced_bytes": self._part}
        return super().get_ranges(key, byte_ranges, **joined)  # type: ignore[misc, unused-ignore] # before 3.4, none

    def _check_part(self, path: Path, byte_range: Any) -> None:
        if isinstance(byte_range, RangeByteRequest) and byte_range.end - byte_range.start > self._part:
            raise JobError(f"{path}: its index has a chunk of more bytes than one takes")

    async def set(self, key: str, value: Any) -> None:
        """Write a file, which appears when it is whole."""
        await asyncio.to_thread(_put, self.root / key, value.as_numpy_array())


def _put(path: Path, content: Any) -> None:
    # A name of its own, and always the same: what a killed process leaves is replaced when the chunk is written again.
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("wb") as file:
        file.write(content)
    partial.replace(path)


def write_document(path: Path, document: Document) -> None:
    """Write an object as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def copy_chunks(source: Path, target: Path) -> None:
    """Copy what an array holds, all but its metadata."""
    for entry in _entries(source):
        place = target / entry.name
        if entry.is_dir():
            place.mkdir(parents=True, exist_ok=True)
            copy_chunks(Path(entry.path), place)
        else:
            _size(Path(entry.path))
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(entry.path, place, follow_symlinks=False)

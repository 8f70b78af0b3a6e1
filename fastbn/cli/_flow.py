"""Tiles on their way: read ahead by one thread, written behind by another, as many at once as memory allows."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from fastbn._files import errors_of

from ._errors import JobError
from ._fields import Sink, Source, Tile, Values

# Elements of a tile. Larger ones are no faster. And where the memory allows tiles of this size, as 128 MB do, the same
# file gives the same bits.
TILE = 2**20
LEAST_VALUES = 16  # of a channel in a tile, so that merging costs little beside counting
AHEAD = 2  # tiles that wait to be computed, and as many to be written
PATIENCE = 5.0  # seconds that a thread gets for the tile it is at, when the job has failed: its disk may hang
# Seconds after which a waiting thread looks whether it is still wanted: Ctrl-C may be given to another thread, and
# the main one hears of it only when it wakes.
TURN = 0.2


class Plan(NamedTuple):
    """How a file is cut, and how many tiles may wait."""

    limit: int  # elements of a tile
    depth: int


def plan(source: Source, memory: int, itemsize: int, *, whole_channels: bool = False) -> Plan:
    """Cut a file, of which outputs have elements of `itemsize` bytes (0: there are none), to fit the memory.

    Being read, waiting, computed, waiting, written: 3 tiles and twice the depth are in memory at once.
    """
    fields = source.fields
    widest = source.copies * (max((field.dtype.itemsize for field in fields), default=1) + itemsize)
    wanted = max([TILE, *(LEAST_VALUES * field.axes.channels for field in fields)])
    limit = max(1, min(wanted, memory // (widest * (3 + 2))))
    largest = widest * source.largest(limit, whole_channels=whole_channels)
    if largest > memory:
        raise JobError(
            f"{source.path}: its blocks take {largest} bytes each in memory, and --memory allows {memory} bytes"
        )
    depth = next((d for d in range(AHEAD, 0, -1) if (3 + 2 * d) * largest <= memory), 0)
    return Plan(limit, depth)


class _End(NamedTuple):
    """The last that a thread says."""

    error: BaseException | None


def read_ahead(source: Source, tiles: Iterator[Tile], depth: int) -> Generator[tuple[Tile, list[Values]]]:
    """Read tiles in another thread, while the caller is busy with those before; in this one if the depth is 0.

    To be closed before the source is.
    """
    if not depth:
        for tile in tiles:
            yield tile, _read(source, tile)
        return
    ready: queue.Queue[tuple[Tile, list[Values]] | _End] = queue.Queue(depth)
    stopped = threading.Event()

    def work() -> None:
        error = None
        try:
            for tile in tiles:
                if not _put(ready, (tile, _read(source, tile)), stopped):
                    return
        except BaseException as caught:  # noqa: BLE001 - the caller raises it
            error = caught
        _put(ready, _End(error), stopped)

    thread = threading.Thread(target=work, name="fastbn-read", daemon=True)
    thread.start()
    try:
        while not isinstance(got := _get(ready, stopped), _End):
            yield got
        if got.error is not None:
            raise got.error
    finally:
        stopped.set()
        thread.join(PATIENCE)


def _read(source: Source, tile: Tile) -> list[Values]:
    with errors_of(source.path, source.path):  # a disk that cannot be read says no name
        return source.read(tile)


class Writer:
    """Writes tiles in another thread; what goes wrong there is raised by the next `put`, or at the end."""

    def __init__(self, sink: Sink, depth: int) -> None:
        self._sink = sink
        self._tiles: queue.Queue[tuple[Tile, Sequence[Values]] | None] = queue.Queue(depth)
        self._depth = depth
        self._error: BaseException | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="fastbn-write", daemon=True)

    def put(self, tile: Tile, values: Sequence[Values]) -> None:
        """Hand over a tile."""
        if not self._depth:
            self._sink.write(tile, values)
            return
        _put(self._tiles, (tile, values), self._stopped)
        self._raise()

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Write until the block ends; when it ends well, all is written."""
        if not self._depth:
            yield self
            return
        self._thread.start()
        try:
            yield self
            _put(self._tiles, None, self._stopped)
            while self._thread.is_alive():
                self._thread.join(TURN)
        except BaseException:
            self._stopped.set()
            self._thread.join(PATIENCE)
            raise
        self._raise()

    def _work(self) -> None:
        try:
            while (got := _get(self._tiles, self._stopped)) is not None:
                self._sink.write(*got)
        except BaseException as error:  # noqa: BLE001 - `put` raises it
            self._error = error
            self._stopped.set()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


def _put(waiting: queue.Queue[Any], item: Any, stopped: threading.Event) -> bool:
    """Wait for room; False once nobody wants it any more."""
    while not stopped.is_set():
        try:
            waiting.put(item, timeout=TURN)
        except queue.Full:
            continue
        return True
    return False


def _get(waiting: queue.Queue[Any], stopped: threading.Event) -> Any:
    while not stopped.is_set():
        try:
            return waiting.get(timeout=TURN)
        except queue.Empty:
            continue
    return None

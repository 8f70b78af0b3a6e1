"""A device for `fastbn._pipeline` that does what it is told as late, as early or as wildly as streams and events allow.

Its memory is that of the host. What is put on a stream is done when somebody waits for it, or earlier, by chance; the
order between streams is drawn. A pipeline that forgets to wait for something gives wrong numbers here.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastbn._devices import OnDevice, Place

SPOILT = 77  # what is in new memory


class Stream:
    """What is to be done, in order: whether it may begin, and what it is."""

    def __init__(self, device: LateDevice, name: str) -> None:
        self.device = device
        self.name = name
        self.work: deque[tuple[Callable[[], bool], Callable[[], None]]] = deque()

    def put(self, said: str, work: Callable[[], None], ready: Callable[[], bool] = lambda: True) -> None:
        assert self.device.entered, said
        self.device.log.append(f"{self.name}: {said}")
        self.work.append((ready, work))
        while self.device.draw.random() < self.device.haste and self.device.step():
            pass

    def synchronize(self) -> None:
        self.device.until(lambda: not self.work)


class Event:
    """The point in a stream at which it was recorded last."""

    def __init__(self, device: LateDevice, number: int) -> None:
        self.device = device
        self.number = number
        self.over = [True]  # replaced by each record, so that who waits for an older one goes on doing so

    def record(self, stream: Stream) -> None:
        over = self.over = [False]
        stream.put(f"record {self.number}", lambda: over.__setitem__(0, True))

    def wait(self, stream: Stream) -> None:
        over = self.over
        stream.put(f"wait {self.number}", lambda: None, lambda: over[0])

    def synchronize(self) -> None:
        over = self.over
        self.device.log.append(f"host: wait {self.number}")
        self.device.until(lambda: over[0])


class LateDevice:
    """What `fastbn._pipeline.Device` asks for; ``haste`` is how likely it is to do something before it has to."""

    device = 0

    def __init__(self, seed: int = 0, haste: float = 0.0) -> None:
        self.draw = random.Random(seed)
        self.haste = haste
        self.entered = 0
        self.log: list[str] = []
        self.events = 0
        names = ("upload", "compute", "download", "side")
        self.upload, self.compute, self.download, self.side = self.streams = [Stream(self, name) for name in names]

    def step(self) -> bool:
        """Do one thing that may be done, if there is one."""
        streams = [s for s in self.streams if s.work and s.work[0][0]()]
        if streams:
            self.draw.choice(streams).work.popleft()[1]()
        return bool(streams)

    def until(self, done: Callable[[], bool]) -> None:
        while not done():
            assert self.step(), "everything waits for something"

    def idle(self) -> bool:
        return not any(stream.work for stream in self.streams)

    @contextmanager
    def active(self) -> Iterator[None]:
        self.entered += 1
        try:
            yield
        finally:
            self.entered -= 1

    def free(self) -> float:
        return float("inf")

    def event(self) -> Event:
        self.events += 1
        return Event(self, self.events - 1)

    def pinned(self, size: int) -> np.ndarray:
        return np.full(size, SPOILT, np.uint8)

    memory = pinned

    def array(self, memory: np.ndarray, shape: Any, strides: Any, dtype: np.dtype) -> OnDevice:
        array = np.ndarray(shape, dtype, memory, strides=strides).view(OnDevice)
        array.place = Place(None, self.device, 1, None)  # type: ignore[arg-type]
        return array

    def send(self, pinned: np.ndarray, memory: np.ndarray, size: int) -> None:
        self.upload.put("send", lambda: memory.__setitem__(slice(size), pinned[:size]))

    def keep(self, result: OnDevice, memory: np.ndarray) -> Stream:
        flat = np.lib.stride_tricks.as_strided(result.view(np.ndarray), (result.size,), (result.itemsize,))
        stream = self.streams[result.place.stream]
        stream.put("keep", lambda: memory.__setitem__(slice(result.nbytes), flat.view(np.uint8)))
        return stream

    def fetch(self, memory: np.ndarray, pinned: np.ndarray, size: int) -> None:
        self.download.put("fetch", lambda: pinned.__setitem__(slice(size), memory[:size]))

    def run(self, kernel: Callable[..., None], *arrays: OnDevice) -> None:
        """Launch what works on the values of arrays."""
        with self.active():
            self.compute.put("kernel", lambda: kernel(*(array.view(np.ndarray) for array in arrays)))

    def aside(self, array: OnDevice) -> OnDevice:
        """The same array on another stream, which waits for what was done with it."""
        with self.active():
            done = self.event()
            done.record(self.compute)
            done.wait(self.side)
        there = array[:]
        there.place = array.place._replace(stream=self.streams.index(self.side))
        return there

    def new(self, like: OnDevice, dtype: Any, order: str = "K") -> OnDevice:
        """An array with nothing in it."""
        made = np.empty_like(like.view(np.ndarray), dtype, order)  # type: ignore[call-overload]
        made.view(np.ndarray)[...] = SPOILT
        made = made.view(OnDevice)
        made.place = like.place
        return made

"""Calls that are interrupted as by Ctrl-C: at every event of the interpreter in turn, or by a signal."""

from __future__ import annotations

import contextlib
import linecache
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from fastbn import _threads


def traced(call: Callable[[], Any], stop: int | None = None, within: str = "") -> int:
    """Raise KeyboardInterrupt at one of the lines, calls and returns that this thread passes in Python code.

    Those count whose file is `within` a folder, from 0. Returns how many were passed until then, or in all. A signal is
    handled at some of them, and nowhere else. None is handled at a ``try``, or where a ``with`` is passed once more
    before it lets go: its block does not cover these.
    """
    passed = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal passed
        file = frame.f_code.co_filename
        if file.startswith("<frozen") or not file.startswith(within):  # imports, or somebody else's
            return None
        if event != "exception" and not (event == "line" and _leads_a_block(frame)):
            if passed == stop:
                raise KeyboardInterrupt
            passed += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except BaseException as error:  # other libraries may make another one of it
        if passed != stop or isinstance(error, AssertionError):
            raise
    finally:
        sys.settrace(before)
    return passed


def _leads_a_block(frame: FrameType) -> bool:
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).lstrip().startswith(("with ", "try:"))


class Alarm:
    """A signal that raises KeyboardInterrupt within a call."""

    def __init__(self) -> None:
        self._armed = False
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGALRM, self._ring)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)

    def _ring(self, *_: object) -> None:
        if self._armed:
            self._armed = False
            raise KeyboardInterrupt

    def within(self, seconds: float, call: Callable[[], Any]) -> bool:
        """Call, and interrupt it after some time; returns whether that came before the end."""
        with contextlib.suppress(KeyboardInterrupt):
            self._armed = True
            signal.setitimer(signal.ITIMER_REAL, seconds)
            call()
            self._armed = False
            return False
        return True


class Watched(_threads._Shared):
    """Work that tells how many threads besides the calling one are at it; it waits for them, and they take time."""

    seen: list[Watched] = []  # noqa: RUF012 - emptied by each test

    def __init__(self, units: int, step: int, task: Callable[[int, int], None]) -> None:
        counting = threading.Lock()
        self.at_work, self.done = 0, 0

        def counted(begin: int, end: int) -> None:
            if threading.current_thread() is threading.main_thread():
                patience = 20
                while patience and not self.at_work:
                    time.sleep(0.001)
                    patience -= 1
                task(begin, end)
                return
            with counting:
                self.at_work += 1
            time.sleep(0.004)
            try:
                task(begin, end)
            finally:
                with counting:
                    self.at_work -= 1
                    self.done += 1

        super().__init__(units, step, counted)
        Watched.seen.append(self)

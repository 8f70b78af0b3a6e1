"""How a call that several threads work at ends: by signals, and by errors of its threads."""

from __future__ import annotations

import gc
import signal
import threading
import time
import weakref

import numpy as np
import pytest

import fastbn
from conftest import threads_per_call
from fastbn import _threads
from scripts import run

pytestmark = [pytest.mark.usefixtures("backend", "three_threads"), pytest.mark.host]

ALARMS = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timers that signal")
LARGE = np.random.default_rng(1).normal(3.0, 2.0, (24, 4, 1 << 14)).astype(np.float32)  # for three threads or more


@pytest.fixture
def three_threads():
    with threads_per_call(3):
        yield


@ALARMS
def test_a_call_waits_for_its_threads_however_often_it_is_interrupted(tally):
    """A helper is held at work while the calling thread, which waits for it, is interrupted three times more."""
    held, released, ended = threading.Event(), threading.Event(), threading.Event()
    rings = []

    def ring(*_):
        rings.append(ended.is_set())
        if len(rings) == 4:
            released.set()
        raise KeyboardInterrupt

    def task(*_):
        if threading.current_thread() is threading.main_thread():
            held.wait(60)
            signal.setitimer(signal.ITIMER_REAL, 0.01, 0.05)
            time.sleep(60)
        held.set()
        released.wait(60)
        time.sleep(0.02)
        ended.set()

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with pytest.raises(KeyboardInterrupt):
            _threads.run(64, 1 << 30, task)
        assert ended.is_set()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert rings[:4] == [False] * 4
    tally("interrupts (Ctrl-C)", len(rings))


TOGETHER = """
import os, signal, threading, time
import numpy as np
from fastbn import _threads, set_num_threads

set_num_threads(2)
signals = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
begun, ended, heard, moments = threading.Event(), threading.Event(), [], []
values = np.random.default_rng(0).random(2_000_000)

def ring(number, _):
    heard.append(number)
    raise KeyboardInterrupt

def task(*_):
    if threading.current_thread() is threading.main_thread():
        begun.wait(60)
        np.sort(values, kind="stable")  # which looks for no signals
        return
    begun.set()
    time.sleep(0.02)
    for number in signals:
        signal.raise_signal(number)
    time.sleep(1.0)
    ended.set()

for number in signals:
    signal.signal(number, ring)
try:
    _threads.run(64, 1 << 30, task)
except KeyboardInterrupt:
    print(*heard, ended.is_set(), flush=True)
    os._exit(0)  # whatever else was sent
"""


@ALARMS
def test_a_call_waits_for_its_threads_when_several_signals_come_at_once(backend, tmp_path, tally):
    """While the calling thread is in a kernel; then they are raised one after the other."""
    *heard, ended = run(tmp_path, backend, TOGETHER)
    assert ended == "True"
    assert len(heard) == 3
    tally("interrupts (Ctrl-C)", len(heard))


@ALARMS
def test_a_handler_of_signals_can_compute_while_a_thread_starts(monkeypatch):
    expected = fastbn.zscore(LARGE).tobytes()
    real, rung, found = threading.Thread.start, [], []
    monkeypatch.setattr(_threads, "_pool", _threads._Pool())
    before = signal.signal(signal.SIGALRM, lambda *_: found.append(fastbn.zscore(LARGE).tobytes()))

    def start(thread):
        if not rung:
            rung.append(thread.name)
            signal.raise_signal(signal.SIGALRM)
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    try:
        assert fastbn.zscore(LARGE).tobytes() == expected
    finally:
        signal.signal(signal.SIGALRM, before)
    assert found == [expected]


def test_errors_of_several_helpers_keep_no_arrays():
    """Neither that which is raised, once it is gone, nor the others."""
    together = threading.Barrier(3)
    array = np.zeros(4)
    kept = weakref.ref(array)

    def call(array):
        def task(begin, _):
            together.wait(60)
            raise MemoryError(array[begin])

        with pytest.raises(MemoryError):
            _threads.run(3, 1 << 30, task)

    call(array)
    del array
    gc.collect()
    assert kept() is None


def test_an_error_of_a_helper_ends_the_call_and_is_raised():
    begun = []

    def task(begin, end):
        begun.append(begin)
        if threading.current_thread() is threading.main_thread():
            time.sleep(0.05)
        else:
            raise MemoryError(begin)

    with pytest.raises(MemoryError):
        _threads.run(10_000, 1 << 30, task)
    assert len(begun) <= 3

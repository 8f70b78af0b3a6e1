"""How many threads, and the pool that runs units of work on them.

Design. Kernels release the GIL, so a plain thread pool serves every CPU backend: no OpenMP runtime, no threading
layer of Numba, nothing that a fork, a second runtime in the process or a call from several threads could break. The
calling thread works too; units are claimed in chunks from a shared counter, so a busy core does not hold up the
others. Units are cut by data size alone, so which thread takes which changes nothing in the result.
"""

import functools
import math
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from ._printable import shown
from ._scalars import check_count

_CLAIMS_PER_THREAD = 8
_BYTES_PER_THREAD = 1 << 21  # with half of it, a map of float32 took up to 1.9 times the time on two threads

_settings: dict[str, int] = {}  # "threads": what set_num_threads said on the main thread
_local = threading.local()  # .threads: what it said on another thread; .shared: what this one works at


@functools.cache
def _available() -> int:
    """CPUs this process may use: its affinity, and the quota of its control group."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:  # noqa: PTH123 - pathlib costs 4 ms at import
            quota, period = file.read().split()
        if quota != "max":
            count = min(count, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        pass
    return max(1, count)


def _whole_number(text: str) -> int | None:
    """What decimal digits stand for, if it is digits, and not too many."""
    digits = text.strip()
    return int(digits) if digits.isdecimal() and len(digits) < 10 else None


def _unasked() -> int:
    """Threads where nobody told this package a number: a process that is one of many is not given the machine."""
    shared, _, _ = os.environ.get("OMP_NUM_THREADS", "").partition(",")  # joblib's workers have their share there
    if share := _whole_number(shared):
        return min(share, _available())
    process = sys.modules.get("multiprocessing.process")  # a child of it has imported it
    return 1 if process is not None and process.parent_process() is not None else _available()


def _default() -> int:
    value = os.environ.get("FASTBN_NUM_THREADS")
    if not value:
        return _unasked()
    count = _whole_number(value)
    if not count:
        raise ValueError(f"FASTBN_NUM_THREADS: got {shown(value)}; wants an int >= 1")
    return count


def set_num_threads(n: int) -> None:
    """Set how many threads a call may use.

    On the main thread it counts for the process. On any other thread it counts for that thread alone, where calls
    otherwise use one thread: a task of Dask or joblib is already one of many.

    Parameters
    ----------
    n : int
        At least 1. It may exceed the number of cores. Results do not depend on it.

    Raises
    ------
    ValueError, TypeError
        If `n` is not an integer >= 1.

    See Also
    --------
    get_num_threads : What counts now.

    Examples
    --------
    >>> import fastbn
    >>> fastbn.set_num_threads(2)
    >>> fastbn.get_num_threads()
    2
    """
    count = check_count("n", n)
    if threading.current_thread() is threading.main_thread():
        _settings["threads"] = count
    else:
        _local.threads = count


def get_num_threads() -> int:
    """Return how many threads a call from this thread may use.

    Returns
    -------
    int
        What `set_num_threads` said, else ``FASTBN_NUM_THREADS``, else the cores this process may use, at most
        ``OMP_NUM_THREADS`` if that is set; without it, a process of a pool of ``multiprocessing`` uses 1. Off the main
        thread 1 unless set there.

    Raises
    ------
    ValueError
        If ``FASTBN_NUM_THREADS`` is something else.

    See Also
    --------
    set_num_threads : Change it.

    Examples
    --------
    >>> import fastbn
    >>> fastbn.set_num_threads(3)
    >>> fastbn.get_num_threads()
    3
    """
    if threading.current_thread() is threading.main_thread():
        return _settings.get("threads") or _default()
    return getattr(_local, "threads", 1)


class _Pool:
    """Threads that help whoever asks, until the process ends.

    They are daemons that wait in C. So there is nothing to shut down, an interrupt while one starts loses nothing, and
    calls work in exit handlers and finalizers, where the pools of ``concurrent.futures`` refuse.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a forked child must: it has none of the threads."""
        self._asked: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._starting = threading.RLock()  # a signal handler may need threads, too, while one starts
        self._size = 0

    def ask(self, helpers: int, help_out: Callable[[], None]) -> None:
        """Let so many threads call a function, or as many as there can be."""
        if self._size < helpers:
            self._grow(helpers)
        for _ in range(min(helpers, self._size)):
            self._asked.put(help_out)

    def _grow(self, size: int) -> None:
        with self._starting:
            while self._size < size:
                try:
                    threading.Thread(target=self._serve, name=f"fastbn_{self._size}", daemon=True).start()
                except RuntimeError:  # the system has no more, or the interpreter is shutting down
                    return
                self._size += 1

    def _serve(self) -> None:
        while True:
            self._asked.get()()


_pool = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.forget)


class _Shared:
    """What the threads of a call share: its units, until all are claimed or the call ends.

    An interrupt (Ctrl-C) may come between any two lines of the calling thread, and more of them while it waits. It must
    leave no thread at work on memory that is the caller's again; so the calling thread holds no lock that it might
    leave behind, and what it waits for it can ask for once more. Leaving a ``with`` block of it ends the call.
    """

    def __init__(self, units: int, step: int, task: Callable[[int, int], None]) -> None:
        self._units, self._step = units, step
        self.task: Callable[[int, int], None] | None = task  # None: the call has ended
        self._claims = deque(range(0, units, step))
        self._begun: deque[None] = deque()  # one for each helper
        self._ended: deque[None] = deque()
        self._news: SimpleQueue[None] = SimpleQueue()  # that another one has ended
        self.errors: deque[BaseException] = deque(maxlen=1)

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        self.end()

    def work(self) -> None:
        """Do what nobody has claimed."""
        _local.shared = self
        while self._claims:
            try:
                begin = self._claims.popleft()
            except IndexError:  # another thread was faster
                return
            assert self.task is not None
            self.task(begin, min(begin + self._step, self._units))

    def help_out(self) -> None:
        """Do the same on a thread of the pool; an error is left to the calling thread."""
        self._begun.append(None)
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001
            self.errors.append(error)
            self._claims.clear()
        self._ended.append(None)
        self._news.put(None)

    def end(self) -> None:
        """Let nobody claim any more, and wait for those at work, however often that is interrupted."""
        try:
            self._claims.clear()
            while len(self._ended) < len(self._begun):
                self._news.get()
            self.task = None  # who comes later must not keep the arrays
        except BaseException:
            self.end()
            raise


def _inside() -> bool:
    """Whether this thread is in a task."""
    shared: _Shared | None = getattr(_local, "shared", None)
    return shared is not None and shared.task is not None


def run(units: int, size: int, task: Callable[[int, int], None], most: int | None = None) -> None:
    """Call ``task(begin, end)`` on ranges that cover all units, on as many threads as ``size`` bytes pay for.

    There are at most ``most`` of them, if that is given. None is at work any more when this returns or raises.

    What a task runs itself stays on its thread.
    """
    if size < 2 * _BYTES_PER_THREAD or _inside():
        task(0, units)  # without a look into the environment, a tenth of a small call
        return
    threads = get_num_threads() if most is None else min(most, get_num_threads())
    workers = min(threads, units, size // _BYTES_PER_THREAD)
    if workers <= 1:
        task(0, units)
        return
    shared = _Shared(units, -(-units // (workers * _CLAIMS_PER_THREAD)), task)
    try:
        # Of signals that come together, each may stop the function that is called for the one before.
        with shared, shared, shared, shared:
            _pool.ask(workers - 1, shared.help_out)
            shared.work()
        if shared.errors:
            raise shared.errors[0]
    finally:
        shared.errors.clear()  # their tracebacks keep the arrays, and threads keep what they shared last

"""Forks at any time, pools within pools, exits, and a system without threads: the bits are those of one process."""

from __future__ import annotations

import functools
import os

import pytest

from scripts import run

pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.host]

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

CHILDREN = """
import os, sys, threading, warnings
import fastbn
warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads, which is what this is about

def child(work):
    "Fork; whether the child, and a child of it, did it."
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0

def same(threads, here):
    "On so many threads, of which all but one are of the pool."
    fastbn.set_num_threads(threads)
    found = bits() == here
    pool = [thread for thread in threading.enumerate() if thread.name.startswith("fastbn")]
    return found and len(pool) == threads - 1

here = bits()
fastbn.set_num_threads(2)
assert bits() == here
"""


@FORKS
def test_forked_children_compute_the_same_bits_on_any_number_of_threads(tmp_path, backend, tally):
    """Children, children of children, and those that a thread starts."""
    code = """
found = [child(lambda: same(n, here) and child(lambda: same(3 - n, here))) for n in (1, 2, 1, 2)]
thread = threading.Thread(target=lambda: found.extend(child(lambda: same(n, here)) for n in (1, 2)))
thread.start()
thread.join()
print(*found, same(2, here))
"""
    assert run(tmp_path, backend, CHILDREN + code) == ["True"] * 7
    tally("processes started or forked after use", 10)


@FORKS
def test_forks_in_the_middle_of_the_work_of_other_threads(tmp_path, backend, tally):
    """Two threads call without a pause, each with a helper of the pool, while children are forked."""
    code = """
over, wrong = threading.Event(), []

def busy():
    fastbn.set_num_threads(2)
    while not over.is_set():
        wrong.extend([] if bits() == here else ["busy"])

threads = [threading.Thread(target=busy) for _ in range(2)]
for thread in threads:
    thread.start()
found = [child(lambda: same(1 + i % 2, here)) for i in range(12)]
over.set()
for thread in threads:
    thread.join()
print(all(found), wrong, same(2, here))
"""
    assert run(tmp_path, backend, CHILDREN + code) == ["True", "[]", "True"]
    tally("processes started or forked after use", 12)


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
def test_processes_started_after_use(tmp_path, backend, start, tally):
    code = f"""
import fastbn, multiprocessing, warnings
warnings.simplefilter("ignore", DeprecationWarning)
if {start!r} not in multiprocessing.get_all_start_methods():
    print(True)
    raise SystemExit
fastbn.set_num_threads(2)
here = bits()
with multiprocessing.get_context({start!r}).Pool(2, fastbn.set_num_threads, (2,)) as pool:
    found = pool.map(bits, range(4))
print(all(theirs == here for theirs in found) and bits() == here)
"""
    assert run(tmp_path, backend, code) == ["True"]
    tally("processes started or forked after use", 2)


NESTED = """
def threads_of(task, *args):
    "Two threads, each of which uses two, that do a task."
    import fastbn
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(2, initializer=fastbn.set_num_threads, initargs=(2,)) as pool:
        return list(pool.map(task, *args, range(2)))

def processes_of(task, *args):
    import fastbn, multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), fastbn.set_num_threads, (2,)) as pool:
        return list(pool.map(task, *args, range(2)))

def in_threads(_=0):
    return threads_of(bits) + [bits()]

def in_processes(_=0):
    return processes_of(bits) + [bits()]

def in_threads_of_processes(_=0):
    return sum(processes_of(in_threads), [bits()])

def in_processes_of_threads(_=0):
    return sum(threads_of(in_processes), [bits()])

def in_dask(_=0):
    import dask
    tasks = [dask.delayed(in_threads)(i) for i in range(2)]
    return sum(dask.compute(*tasks, scheduler="threads", num_workers=2), [bits()])

def in_processes_of_dask(task):
    import dask
    return dask.compute(*(dask.delayed(task)(i) for i in range(2)), scheduler="processes", num_workers=2)

def in_joblib(_=0):
    import joblib
    with joblib.parallel_config("threading", n_jobs=2):
        return sum(joblib.Parallel()(joblib.delayed(in_threads)() for _ in range(2)), [bits()])
"""


@pytest.mark.parametrize(
    ("outer", "needs", "processes"),
    [
        ("in_threads_of_processes()", None, 2),
        ("in_processes_of_threads()", None, 4),
        ("sum(threads_of(in_dask), [])", "dask", 0),
        ("sum(threads_of(in_joblib), [])", "joblib", 0),
        ("sum(joblib.Parallel(2)(joblib.delayed(in_threads)() for _ in range(2)), [])", "joblib", 2),
        ("sum(in_processes_of_dask(in_joblib), [])", "dask", 2),
    ],
)
def test_pools_within_pools(tmp_path, backend, outer, needs, processes, tally):
    """Tasks of a pool that start pools of their own, whose tasks use two threads of this package."""
    if needs:
        pytest.importorskip(needs)
    (tmp_path / "nested.py").write_text(f"from work import bits\n{NESTED}", encoding="utf-8")
    imports = "import fastbn\nfrom nested import *\n" + (f"import {needs}\n" if needs else "")
    code = f"""
{imports}
fastbn.set_num_threads(2)
here = bits()
found = {outer}
print(len(found) > 4, {{*found}} == {{here}})
"""
    assert run(tmp_path, backend, code) == ["True", "True"]
    tally("processes started or forked after use", processes)


EXITS = {
    "a function at exit": """
atexit.register(lambda: print(bits() == here))
""",
    "a function at exit that is the first to use two threads": """
fastbn.set_num_threads(1)
atexit.register(lambda: (fastbn.set_num_threads(2), print(bits() == here)))
""",
    "a finalizer of a value that lives to the end": """
class Last:
    def __del__(self, print=print, bits=bits, here=here):
        print(bits() == here)
last = Last()
last.itself = last
""",
    "a weak finalizer": """
import weakref
class Value: pass
value = Value()
weakref.finalize(value, lambda: print(bits() == here))
""",
    "a thread that outlives the main one": """
import time
def later():
    threading.main_thread().join()
    time.sleep(0.05)
    fastbn.set_num_threads(2)
    print(bits() == here)
threading.Thread(target=later).start()
""",
    "daemons in the middle of calls": """
import time
def busy():
    fastbn.set_num_threads(2)
    while True:
        bits()
for _ in range(3):
    threading.Thread(target=busy, daemon=True).start()
time.sleep(0.1)
print(True)
""",
}


@pytest.mark.parametrize("name", EXITS)
def test_calls_while_the_interpreter_ends(tmp_path, backend, name, tally):
    """They work; the process ends, without an error."""
    code = f"import atexit, sys, threading\nimport fastbn\nhere = bits()\nfastbn.set_num_threads(2)\n{EXITS[name]}"
    assert run(tmp_path, backend, code) == ["True"]
    tally("processes started or forked after use", 1)


def test_the_first_use_may_be_at_exit(tmp_path, backend, tally):
    first = functools.partial(run, tmp_path, backend, PYTHONHASHSEED="0", FASTBN_NUM_THREADS="2")
    usual = first("print(hash(bits()))")
    assert first("import atexit\natexit.register(lambda: print(hash(bits())))") == usual
    tally("processes started or forked after use", 1)


def test_where_no_thread_can_be_started_the_calling_one_does_it_all(tmp_path, backend, tally):
    code = """
import threading, time, fastbn
from fastbn import _threads
fastbn.set_num_threads(1)
here = bits()
real, started = threading.Thread.start, []

def start(self):
    if len(started) == may_start:
        raise RuntimeError("can't start new thread")
    started.append(self)
    real(self)

threading.Thread.start = start
fastbn.set_num_threads(3)
for may_start in (0, 1, 2):
    print(all(bits() == here for _ in range(3)), len(started))
    while not _threads._pool._asked.empty():  # what nobody takes would stay
        time.sleep(0.01)
"""
    assert run(tmp_path, backend, code) == ["True", "0", "True", "1", "True", "2"]
    tally("faults injected: no thread", 3)


def test_a_limit_of_the_system_on_threads_is_no_error(tmp_path, backend, tally):
    pytest.importorskip("resource")
    code = """
import os, resource, threading, fastbn
fastbn.set_num_threads(1)
here = bits()
if os.getuid() == 0:  # whom no limit holds
    os.setgid(65534)
    os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    threading.Thread(target=print).start()
except RuntimeError:
    fastbn.set_num_threads(2)
    print(bits() == here)
"""
    found = run(tmp_path, backend, code)
    if not found:
        pytest.skip("the system starts threads beyond the limit")
    assert found == ["True"]
    tally("faults injected: no thread", 1)

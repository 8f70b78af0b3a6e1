"""One of many: workers of Dask, joblib and multiprocessing share the cores, and no threading layer is disturbed."""

from __future__ import annotations

import pytest

from scripts import run

pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.host]


def test_threads_of_an_environment_that_shares(tmp_path, backend):
    """`OMP_NUM_THREADS` is the word of whoever shares the machine out; what is said to this package counts more."""
    show = "print(*threads())"
    assert run(tmp_path, backend, show, OMP_NUM_THREADS="1") == ["1", "0"]
    assert run(tmp_path, backend, show, OMP_NUM_THREADS="1,2,4") == ["1", "0"]
    assert run(tmp_path, backend, show, OMP_NUM_THREADS="1", FASTBN_NUM_THREADS="3")[0] == "3"
    cores = run(tmp_path, backend, show)[0]
    for meaningless in ("0", "", "many", "100000", "9" * 5000):
        assert run(tmp_path, backend, show, OMP_NUM_THREADS=meaningless)[0] == cores


@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_processes_of_a_pool_use_one_thread(tmp_path, backend, start):
    code = f"""
import multiprocessing
here = bits()
with multiprocessing.get_context({start!r}).Pool(2) as pool:
    print(*{{str(found) for found in pool.map(threads, range(4))}})
    print(all(found == here for found in pool.map(bits, range(4))))
"""
    assert run(tmp_path, backend, code) == ["(1,", "0)", "True"]
    told = run(tmp_path, backend, code, FASTBN_NUM_THREADS="2")
    assert told == ["(2,", "1)", "True"]


@pytest.mark.parametrize("kind", ["loky", "threading", "multiprocessing"])
def test_workers_of_joblib_share_the_cores(tmp_path, backend, kind):
    """As many threads in all as there are cores, at most one more in each worker; the bits are those of one process."""
    pytest.importorskip("joblib")
    code = f"""
import os, joblib
here = bits()
with joblib.parallel_config({kind!r}, n_jobs=2):
    found = joblib.Parallel()(joblib.delayed(threads)() for _ in range(6))
    same = joblib.Parallel()(joblib.delayed(bits)() for _ in range(6))
print(max(count for count, _ in found) * 2 <= max(2, len(os.sched_getaffinity(0))), all(b == here for b in same))
"""
    assert run(tmp_path, backend, code) == ["True", "True"]


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_tasks_of_dask_use_one_thread(tmp_path, backend, scheduler):
    pytest.importorskip("dask")
    code = f"""
import dask
here = bits()
tasks = [dask.delayed(threads)(i) for i in range(6)], [dask.delayed(bits)(i) for i in range(6)]
found, same = dask.compute(*tasks, scheduler={scheduler!r}, num_workers=2)
print(max(count for count, _ in found), all(b == here for b in same))
"""
    assert run(tmp_path, backend, code) == ["1", "True"]


NUMBA = """
import threading
from concurrent.futures import ThreadPoolExecutor
import numba, numpy as np

@numba.njit(parallel=True)
def total(v):
    s = 0.0
    for i in numba.prange(v.size):
        s += v[i]
    return s

v = np.ones(100_000)
lock = threading.Lock()

def mixed(i):
    "Somebody's parallel kernel, one at a time as workqueue wants it, between calls from several threads."
    found = bits()
    with lock:
        assert total(v) == v.size
    return found == here

here = bits()
assert total(v) == v.size
with ThreadPoolExecutor(4) as pool:
    print(numba.threading_layer(), all(pool.map(mixed, range(24))))
"""


@pytest.mark.parametrize("layer", ["workqueue", "omp"])
def test_no_threading_layer_of_numba_is_disturbed(tmp_path, backend, layer):
    """`workqueue` aborts the process when two threads are in it: nothing here ever enters it."""
    pytest.importorskip("numba")
    assert run(tmp_path, backend, NUMBA, NUMBA_THREADING_LAYER=layer) == [layer, "True"]


@pytest.mark.parametrize("layer", ["workqueue", "omp"])
def test_concurrent_calls_under_a_threading_layer(tmp_path, backend, layer):
    """Calls that are split in threads, from several threads at once, while the layer is up."""
    pytest.importorskip("numba")
    pool = "ThreadPoolExecutor(4, initializer=fastbn.set_num_threads, initargs=(2,))"
    code = NUMBA.replace("ThreadPoolExecutor(4)", pool)
    code = code.replace("import threading\n", "import threading\nimport fastbn\n", 1)
    assert run(tmp_path, backend, code, NUMBA_THREADING_LAYER=layer) == [layer, "True"]

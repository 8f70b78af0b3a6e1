"""Threads: the same bits for any number of them, from several callers at once, and after a fork."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

import fastbn
from fastbn import _caches
from generators import FLOATS, INTEGERS

pytestmark = pytest.mark.usefixtures("backend")

THREADS = (1, 2, 3, 7)
# Large enough to be split: images, few long channels, many short rows, tables narrow and wide, channels last.
SHAPES = {
    "images": ((8, 6, 128, 96), 1),
    "three long channels": ((1, 3, 250_000), 1),
    "one channel": ((700_001,), None),
    "many short rows": ((40, 300, 7, 7), 1),
    "narrow table": ((150_001, 4), 1),
    "wide table": ((700, 900), 1),
    "channels last": ((6, 180, 180, 3), -1),
    "table of columns": ((5, 140_000), 0),
}


@pytest.fixture(autouse=True)
def _restore_threads():
    before = fastbn.get_num_threads()
    yield
    fastbn.set_num_threads(before)


def noise(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        x = rng.normal(40, 3, shape).astype(dtype)
    else:
        x = rng.integers(0, 2 if dtype == "bool" else 120, shape).astype(dtype)
    x.flags.writeable = False
    return x


def statistics_bits(stats):
    vectors = (stats.count, stats.mean, stats.min, stats.max, stats.var(), stats.var(1), stats.std())
    return b"".join(v.tobytes() for v in vectors)


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """Give a function that writes what the system says of the last cache, and one that gives a thread's share."""
    monkeypatch.setattr(_caches, "_PLACE", f"{tmp_path}{os.sep}")
    _caches._last.cache_clear()

    def say(**files):
        for name, text in files.items():
            (tmp_path / name).write_text(text, encoding="ascii")
        return _caches.share_of_cache

    yield say
    _caches._last.cache_clear()


@pytest.mark.parametrize(
    ("files", "shares"),
    [
        ({"size": "32768K\n", "shared_cpu_map": "00000000,000000ff\n"}, {1: 2**25, 2: 2**24, 8: 2**22, 96: 2**22}),
        ({"size": "512K\n", "shared_cpu_map": "1\n"}, {1: 2**19, 4: 2**19}),
        ({"size": "much\n", "shared_cpu_map": "1\n"}, {1: 2**25, 4: 2**24}),
        ({"size": "512K\n"}, {1: 2**25}),
        ({}, {1: 2**25, 2: 2**24}),
    ],
)
def test_a_share_of_the_cache(caches, files, shares):
    share = caches(**files)
    assert {threads: share(threads) for threads in shares} == shares


def on_every_number_of_threads(compute):
    """The results of `compute` for 1, 2, 3 and 7 threads, and once more for 1."""
    results = []
    for threads in (*THREADS, 1):
        fastbn.set_num_threads(threads)
        results.append(compute())
    return results


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64", "float16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_statistics_have_the_same_bits(shape, dtype):
    size, axis = SHAPES[shape]
    x = noise(size, dtype)
    states = on_every_number_of_threads(lambda: fastbn.channel_stats(x, axis))
    assert len({statistics_bits(stats) for stats in states}) == 1
    later = [statistics_bits(stats + states[0]) for stats in states]  # what is not shown must be equal as well
    assert len(set(later)) == 1


@pytest.mark.parametrize("dtype", [dtype for dtype in FLOATS + INTEGERS if dtype not in ("float32", "float64")])
def test_every_dtype_has_the_same_bits(dtype):
    x = noise((300_000, 2), dtype)
    for view in (x, x.T[None]):
        states = on_every_number_of_threads(lambda view=view: fastbn.channel_stats(view))
        assert len({statistics_bits(stats) for stats in states}) == 1


@pytest.mark.parametrize(
    "view",
    [lambda x: x[::-1, :, ::2], lambda x: x.transpose(2, 1, 0), lambda x: x[:, ::-1, 1:]],
    ids=["sliced", "transposed", "reversed"],
)
def test_odd_layouts_have_the_same_bits(view):
    x = view(noise((60, 9, 1500), "float32"))
    assert len({statistics_bits(s) for s in on_every_number_of_threads(lambda: fastbn.channel_stats(x))}) == 1


def test_repeated_runs_have_the_same_bits():
    x = noise((64, 7, 3000), "float64")
    fastbn.set_num_threads(3)
    assert len({statistics_bits(fastbn.channel_stats(x)) for _ in range(20)}) == 1


@pytest.mark.parametrize("threads", [None, 2])
def test_several_callers_at_once(threads):
    """Large calls from several Python threads, each split or not, give what they give alone."""
    arrays = [noise((40 + i, 5, 4000), dtype, i) for i, dtype in enumerate(["float32", "float64"] * 4)]
    alone = [(statistics_bits(fastbn.channel_stats(x)), fastbn.zscore(x).tobytes()) for x in arrays]
    prepare = partial(fastbn.set_num_threads, threads) if threads else None
    with ThreadPoolExecutor(4, initializer=prepare) as pool:
        for _ in range(3):
            stats = list(pool.map(lambda x: statistics_bits(fastbn.channel_stats(x)), arrays))
            maps = list(pool.map(lambda x: fastbn.zscore(x).tobytes(), arrays))
            assert list(zip(stats, maps, strict=True)) == alone


def test_small_calls_from_many_threads():
    arrays = [noise((50, 3), "float32", i) for i in range(200)]
    alone = [statistics_bits(fastbn.channel_stats(x)) for x in arrays]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda x: statistics_bits(fastbn.channel_stats(x)), arrays)) == alone


# --- the number of threads --------------------------------------------------------------------------------------------


def test_the_number_of_threads_is_kept():
    for threads in THREADS:
        fastbn.set_num_threads(threads)
        assert fastbn.get_num_threads() == threads
    fastbn.set_num_threads(np.int64(2))
    assert fastbn.get_num_threads() == 2


@pytest.mark.parametrize("threads", [0, -1, -(10**9)])
def test_numbers_of_threads_refused(threads):
    before = fastbn.get_num_threads()
    with pytest.raises(ValueError, match=str(threads)):
        fastbn.set_num_threads(threads)
    assert fastbn.get_num_threads() == before


@pytest.mark.parametrize("threads", [1.5, "2", None, 2.0])
def test_kinds_of_threads_refused(threads):
    with pytest.raises(TypeError):
        fastbn.set_num_threads(threads)


# --- other processes --------------------------------------------------------------------------------------------------


def python(code, **variables):
    """Run code in a fresh interpreter and return what it printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FASTBN_")} | variables
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SHOW_THREADS = "import fastbn; print(fastbn.get_num_threads())"


def test_the_environment_sets_the_number_of_threads():
    assert python(SHOW_THREADS, FASTBN_NUM_THREADS="3") == "3"
    assert int(python(SHOW_THREADS)) >= 1
    set_later = "import fastbn; fastbn.set_num_threads(2); print(fastbn.get_num_threads())"
    assert python(set_later, FASTBN_NUM_THREADS="3") == "2"


@pytest.mark.parametrize("text", ["0", "-2", "two", "1.5", pytest.param("9" * 5000, id="too long")])
def test_the_environment_is_checked(text):
    code = (
        "import numpy as np, fastbn\n"
        "try:\n"
        "    fastbn.get_num_threads(); fastbn.channel_stats(np.ones((2, 2)))\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    message = python(code, FASTBN_NUM_THREADS=text)
    assert "FASTBN_NUM_THREADS" in message
    assert text[:100] in message


FORK = """
import multiprocessing, sys
import numpy as np, fastbn

x = np.random.default_rng(0).normal(size=(64, 8, 4096)).astype(np.float32)

def bits():
    s = fastbn.channel_stats(x)
    return s.mean.tobytes() + s.var().tobytes() + fastbn.zscore(x).tobytes()

fastbn.set_num_threads(2)
fastbn.use_backend({backend!r}).__enter__()
before = bits()
context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
child = context.Process(target=lambda: queue.put(bits() == before))
child.start()
child.join(60)
if child.is_alive():
    child.kill()
    sys.exit("the child hangs")
assert child.exitcode == 0, child.exitcode
assert queue.get()
assert bits() == before
print("same bits")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.host
def test_a_forked_child_works(backend):
    """A parallel call, then a fork: the child computes the same bits, and so does the parent afterwards."""
    assert python(FORK.format(backend=backend), FASTBN_NUM_THREADS="2") == "same bits"

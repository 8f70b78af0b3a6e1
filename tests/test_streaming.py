"""Arrays that come to a device in parts: what is waited for, and what is refused, on a device of our own."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import fastbn.streaming
from fastbn._pipeline import Pipeline
from late_device import LateDevice

DTYPES = ["?", "i1", "u1", "<i2", ">i2", "<u4", ">i8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]


@pytest.fixture
def late(monkeypatch):
    """A device of our own for `stream_from_host`; the test may replace it."""
    devices = [LateDevice()]
    monkeypatch.setattr(fastbn.streaming, "transfers", lambda device: devices[-1])
    return devices


def numbers(draw_shape=(1, 9, 1, 4), seed=0, dtype="<f4"):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=draw_shape) * 50).astype(dtype)


@st.composite
def host_arrays(draw, most=9):
    """Arrays of any rank, layout and dtype, few values, sometimes none."""
    shape = tuple(draw(st.lists(st.integers(0, most), min_size=1, max_size=4).filter(lambda s: np.prod(s) <= 200)))
    base = numbers(tuple(2 * n for n in shape), draw(st.integers(0, 99)), draw(st.sampled_from(DTYPES)))
    halves = [draw(st.sampled_from([slice(None, n), slice(None, None, 2), slice(None, None, -2)])) for n in shape]
    array = base[tuple(halves)]
    array = array.transpose(draw(st.permutations(range(array.ndim))))
    return np.asfortranarray(array) if draw(st.booleans()) else array


# --- order ------------------------------------------------------------------------------------------------------------


@given(
    x=host_arrays(),
    data=st.data(),
    rows=st.integers(1, 4),
    seed=st.integers(0, 1000),
    haste=st.sampled_from([0.0, 0.5, 1.0]),
    style=st.sampled_from(["new", "part", "aside", "one", "skip"]),
)
def test_any_order_that_streams_allow_gives_the_same(late, x, data, rows, seed, haste, style):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    out = numbers(x.shape, 5, x.dtype)
    expected, seen = out.copy(), np.zeros(x.shape, x.dtype)
    late.append(device := LateDevice(seed, haste))
    row = x.itemsize * x.size // max(1, x.shape[axis])
    room = None
    for k, part in enumerate(fastbn.stream_from_host(x, axis=axis, part_bytes=max(1, rows * row), out=out)):
        device.run(lambda a, there=seen[part.index]: np.copyto(there, a), part.array)
        if style == "skip" and k % 3:
            continue
        if style in {"part", "aside"}:
            result = part.array
        elif style == "one" and room is not None and room.shape == part.array.shape:
            result = room
        else:
            result = room = device.new(part.array, part.array.dtype, "F" if k % 2 else "K")
        device.run(lambda a, y: np.copyto(y, a[::-1] if a.ndim else a), part.array, result)
        part.store(device.aside(result) if style == "aside" else result)
        device.run(lambda y: y.fill(1), result)  # results may be overwritten at once
        expected[part.index] = x[part.index][::-1]
        assert x[part.index].shape[axis] <= rows
    assert device.idle()
    np.testing.assert_array_equal(seen, x)
    np.testing.assert_array_equal(out, expected)


def test_copies_are_under_way_before_a_part_is_handed_out(late):
    """Two buffers: of part k + 1 the upload is asked for before part k is there, after the work on k - 1."""
    x, device = np.arange(5.0), late[0]
    parts = fastbn.stream_from_host(x, part_bytes=8, out=np.empty(5))
    sent = []
    for k, part in enumerate(parts):
        sent.append(device.log.count("upload: send"))
        device.log.append(f"part {k}")
        device.run(lambda a: None, part.array)
        part.store(part.array)
    assert sent == [2, 3, 4, 5, 5]
    sends = [i for i, said in enumerate(device.log) if said == "upload: send"]
    for k, place in enumerate(sends):
        said = device.log[place - 1]
        assert said.startswith("upload: wait ")
        used = f"compute: record {said.split()[-1]}"
        before = [i for i in range(place) if device.log[i] == used]
        if k < 2:
            assert before == []
        else:
            assert device.log.index(f"part {k - 2}") < before[-1] < device.log.index(f"part {k - 1}")
    for place in (i for i, said in enumerate(device.log) if said == "download: fetch"):
        said = device.log[place - 1]
        assert said.startswith("download: wait ")
        assert f"compute: record {said.split()[-1]}" in device.log[:place]


def test_a_part_is_read_by_another_thread_while_one_is_worked_on(late):
    x = np.arange(4.0)
    for k, _ in enumerate(fastbn.stream_from_host(x, part_bytes=8)):
        if k == 0:
            names = [thread.name for thread in threading.enumerate()]
            assert any(name.startswith("fastbn-stream") for name in names)
    assert not any(thread.name.startswith("fastbn-stream") for thread in threading.enumerate())


def test_side_by_side(late):
    x, dy = np.arange(6.0), np.arange(6.0, dtype=np.float32)
    device, seen = late[0], np.zeros((6, 2))
    pairs = zip(fastbn.stream_from_host(x, part_bytes=16), fastbn.stream_from_host(dy, part_bytes=8), strict=True)
    for a, b in pairs:
        assert a.index == b.index
        device.run(lambda a, b, y=seen[a.index]: np.stack([a, b], 1, out=y), a.array, b.array)
    np.testing.assert_array_equal(seen, np.stack([x, dy], 1))


# --- ends -------------------------------------------------------------------------------------------------------------


def test_when_the_body_fails_all_is_done_and_freed(late):
    x, out, device = np.arange(6.0), np.zeros(6), late[0]
    memory = []

    def work():
        for k, part in enumerate(fastbn.stream_from_host(x, part_bytes=8, out=out)):
            memory.append(weakref.ref(part.array.base))
            device.run(lambda a: np.negative(a, out=a), part.array)
            part.store(part.array)
            if k == 3:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert device.idle()
    np.testing.assert_array_equal(out, [0, -1, -2, -3, 0, 0])
    gc.collect()
    assert [ref() for ref in memory] == [None] * 4
    assert not any(thread.name.startswith("fastbn-stream") for thread in threading.enumerate())


def test_the_last_part_is_over_when_the_loop_is(late):
    (part,) = fastbn.stream_from_host(np.arange(6.0), out=np.zeros(6))
    with pytest.raises(ValueError, match=r"^part: got one that is over"):
        part.store(part.array)


@pytest.mark.parametrize("leave", [lambda parts: parts.close(), lambda parts: None], ids=["closed", "dropped"])
def test_closed_early(late, leave):
    x, out, device = np.arange(6.0), np.zeros(6), late[0]
    parts = fastbn.stream_from_host(x, part_bytes=16, out=out)
    next(parts).store(device.array(np.ones(16, np.uint8), (2,), (8,), np.dtype("f8")))
    leave(parts)
    del parts
    gc.collect()
    assert device.idle()
    assert out[0] == out[1] == np.ones(8, np.uint8).view("f8")[0]
    assert not out[2:].any()


def test_an_error_of_reading_is_raised(late, monkeypatch):
    def fail(self, k):
        raise OSError("the file is gone")

    monkeypatch.setattr(Pipeline, "_stage", fail)
    with pytest.raises(OSError, match="gone"):
        next(fastbn.stream_from_host(np.arange(3.0)))


# --- checks -----------------------------------------------------------------------------------------------------------

X = np.ones((4, 3), np.float32)
ONE_ROW = np.lib.stride_tricks.as_strided(np.ones(3), (4, 3), (0, 8))
REFUSED = [
    (TypeError, "^x: got list; wants a NumPy array", lambda: ([1.0],), {}),
    (TypeError, "^x: got dtype complex64; wants", lambda: (X.astype("c8"),), {}),
    (TypeError, "^x: got dtype object; wants", lambda: (X.astype(object),), {}),
    (TypeError, "^x: got a masked array; wants", lambda: (np.ma.masked_less(X, 0),), {}),
    (ValueError, "^x: got an array without axes", lambda: (np.array(1.0),), {}),
    (ValueError, "^axis: got 2 for an array of shape", lambda: (X,), {"axis": 2}),
    (ValueError, "^axis: got -3 for", lambda: (X,), {"axis": -3}),
    (TypeError, "^axis: got 0.5 of type float; wants an int", lambda: (X,), {"axis": 0.5}),
    (ValueError, "^part_bytes: got 0; wants", lambda: (X,), {"part_bytes": 0}),
    (TypeError, "^part_bytes: got 1.5 of type", lambda: (X,), {"part_bytes": 1.5}),
    (TypeError, "^device: got 'cuda' of type str; wants an int", lambda: (X,), {"device": "cuda"}),
    (TypeError, "^out: got list; wants a NumPy array", lambda: (X,), {"out": [1]}),
    (ValueError, r"^out: got shape \(3, 4\); wants \(4, 3\)", lambda: (X,), {"out": np.ones((3, 4))}),
    (TypeError, "^out: got dtype complex128; wants", lambda: (X,), {"out": np.ones((4, 3), complex)}),
    (
        ValueError,
        "^out: got strides",
        lambda: (X,),
        {"out": np.lib.stride_tricks.as_strided(np.ones(3), (4, 3), (0, 8))},
    ),
    (ValueError, "^out: got an array that overlaps x", lambda: (X,), {"out": X[::-1]}),
]


@pytest.mark.parametrize(("error", "match", "args", "kwargs"), REFUSED, ids=[row[1] for row in REFUSED])
def test_what_is_refused_at_the_call(late, error, match, args, kwargs):
    with pytest.raises(error, match=match):
        fastbn.stream_from_host(*args(), **kwargs)


def test_a_read_only_out(late):
    out = np.ones((4, 3))
    out.setflags(write=False)
    with pytest.raises(ValueError, match=r"^out: got a read-only array"):
        fastbn.stream_from_host(X, out=out)


def test_what_is_on_a_device_needs_no_streaming(monkeypatch):
    memory = {"shape": (3,), "strides": None, "typestr": "<f4", "data": (1 << 40, False), "version": 3}
    numba_cuda = ModuleType("numba.cuda")
    numba_cuda.get_current_device = lambda: SimpleNamespace(id=0)
    monkeypatch.setitem(sys.modules, "numba", ModuleType("numba"))
    monkeypatch.setitem(sys.modules, "numba.cuda", numba_cuda)
    with pytest.raises(TypeError, match=r"^x: got SimpleNamespace on a device, which needs no streaming"):
        fastbn.stream_from_host(SimpleNamespace(__cuda_array_interface__=memory))


def test_results_that_are_refused(late):
    out, device = np.zeros((4, 3), np.float64), late[0]
    for part in fastbn.stream_from_host(X, out=out, part_bytes=24):
        good = device.new(part.array, np.float64)
        elsewhere = good[:]
        elsewhere.place = good.place._replace(device=1)
        for error, match, result in [
            (TypeError, "^result: got ndarray on the host; wants", X[:2]),
            (TypeError, r"^result: got dtype float32; wants float64, that of out", part.array),
            (ValueError, r"^result: got shape \(1, 3\); wants \(2, 3\), that of the part", good[:1]),
            (ValueError, r"^result: got strides .*; wants an array without gaps", good[::-1]),
            (ValueError, "^result: got an array on device 1; wants device 0", elsewhere),
        ]:
            with pytest.raises(error, match=match):
                part.store(result)
        assert not out.any()
        part.store(good)
        with pytest.raises(ValueError, match=r"^part: got one that was stored before"):
            part.store(good)
        break
    for part in fastbn.stream_from_host(X):
        with pytest.raises(ValueError, match=r"^out: got None; wants"):
            part.store(part.array)


def test_sizes_of_parts(late):
    def lengths(**kwargs):
        return [part.array.shape[0] for part in fastbn.stream_from_host(X, **kwargs)]

    assert lengths() == [4]
    assert lengths(part_bytes=36) == lengths(part_bytes=47) == [3, 1]
    assert lengths(part_bytes=1) == [1, 1, 1, 1]
    late[0].free = lambda: 16 * 24.0
    assert lengths() == [2, 2]
    assert list(fastbn.stream_from_host(X[:0])) == list(fastbn.stream_from_host(X[:, :0])) == []


def test_no_device_is_said_at_the_call():
    info = next(info for info in fastbn.backends() if info.name == "cuda")
    if info.available:
        pytest.skip("there is one")
    with pytest.raises(fastbn.BackendUnavailable, match=r"'cuda' cannot be used: .*pip install"):
        fastbn.stream_from_host(X)

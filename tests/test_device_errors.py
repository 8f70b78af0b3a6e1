"""What is refused of arrays on devices, and what their libraries are asked for, with stand-ins for them."""

from __future__ import annotations

import contextlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import fastbn
from fastbn import _backends
from fastbn._arrays import as_operand, on_host
from fastbn._devices import on_device, upload
from fastbn._opening import open_data
from stand_ins import ADDRESS, CuPyArray, Interface, Tensor

HOST = np.arange(18, dtype=np.float32).reshape(6, 3)
CUBE = HOST.reshape(2, 3, 3)
there = pytest.mark.usefixtures("libraries")


@pytest.fixture
def driver(libraries):
    """What Numba was asked to do."""
    asked = []
    numba_cuda = sys.modules["numba.cuda"]
    numba_cuda.gpus = dict.fromkeys(range(4), contextlib.nullcontext())
    numba_cuda.synchronize = lambda: asked.append("synchronize")
    numba_cuda.external_stream = lambda number: f"stream {number}"
    numba_cuda.default_stream = lambda: "default stream"

    def device_array(shape, dtype, strides, stream):
        asked.append(f"array on {stream}")
        made = Interface(shape, strides, np.dtype(dtype).str)
        made.copy_to_device = lambda array, stream: asked.append(f"copy on {stream}")
        return made

    numba_cuda.device_array = device_array
    return asked


# --- data on the host -------------------------------------------------------------------------------------------------

VECTORS = {
    "normalize": lambda vector: fastbn.normalize(HOST, fastbn.channel_stats(HOST), gamma=vector),
    "denormalize": lambda vector: fastbn.denormalize(HOST, fastbn.channel_stats(HOST), gamma=vector),
    "batch_norm": lambda vector: fastbn.batch_norm(HOST, vector),
    "batch_norm_backward": lambda vector: fastbn.batch_norm_backward(HOST, HOST, fastbn.channel_stats(HOST), vector),
    "layer_norm": lambda vector: fastbn.layer_norm(HOST, vector),
    "layer_norm_backward": lambda vector: fastbn.layer_norm_backward(HOST, HOST, vector),
    "instance_norm": lambda vector: fastbn.instance_norm(CUBE, vector),
    "instance_norm_backward": lambda vector: fastbn.instance_norm_backward(CUBE, CUBE, vector),
    "group_norm": lambda vector: fastbn.group_norm(CUBE, 3, vector),
    "group_norm_backward": lambda vector: fastbn.group_norm_backward(CUBE, CUBE, 3, vector),
}


@there
@pytest.mark.parametrize("name", VECTORS)
def test_vectors_on_a_device_beside_data_on_the_host(name):
    with pytest.raises(TypeError, match=r"^gamma: got Interface on a device; wants an array on the host"):
        VECTORS[name](Interface((3,), dtype="<f8"))


@there
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("beta", lambda there: fastbn.batch_norm(HOST, None, there)),
        ("nodata", lambda there: fastbn.zscore(HOST, nodata=there)),
        ("dy", lambda there: fastbn.batch_norm_backward(Interface((6, 3)), HOST, fastbn.channel_stats(HOST))),
        ("x", lambda there: fastbn.channel_quantiles(Interface((6, 3)), 0.5)),
        ("x", lambda there: fastbn.BatchNorm(3)(Interface((6, 3)))),
    ],
    ids=["beta", "nodata", "dy", "channel_quantiles", "BatchNorm"],
)
def test_what_is_on_a_device_where_the_host_works(name, call):
    with pytest.raises(TypeError, match=rf"^{name}: got Interface on a device; wants an array on the host"):
        call(Interface((3,)))


# --- data on a device -------------------------------------------------------------------------------------------------


@there
def test_vectors_on_another_device():
    stats, vector = fastbn.channel_stats(HOST), Tensor((3,), (1,))
    with pytest.raises(ValueError, match=r"^gamma: got an array on device 3; wants device 2"):
        fastbn.normalize(CuPyArray((6, 3)), stats, gamma=vector)


@there
def test_where_that_is_no_array():
    with pytest.raises(ValueError, match=r"^where: got no rectangular array"):
        fastbn.zscore(Interface((6, 3)), where=[[True], False])


@there
def test_masks_of_the_interface_are_refused():
    x = Interface((6, 3))
    x.__cuda_array_interface__["mask"] = Interface((6, 3), dtype="|b1")
    with pytest.raises(TypeError, match=r"^x: got an array with a mask; wants a plain one"):
        as_operand(x)


@there
def test_what_is_only_to_be_read_is_not_written_to():
    x, out = Interface((6, 3)), Interface((6, 3), address=1 << 41)
    out.__cuda_array_interface__["data"] = (1 << 41, True)
    with pytest.raises(ValueError, match=r"^out: got a read-only array"):
        fastbn.normalize(x, fastbn.channel_stats(HOST), out=out)


@there
def test_subclasses_are_of_the_library():
    class Image(Tensor):
        """Of a package of its own."""

    assert on_device(Image((2,), (1,)), "x").place[:3] == on_device(Tensor((2,), (1,)), "x").place[:3]


# --- what libraries are asked for -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stream", "named"), [(9, "stream 9"), (None, "0")])
def test_uploads_name_no_stream_that_has_no_name(driver, stream, named):
    """The interface of an array on Numba's object for the default stream warns, which users of ``-W error`` get."""
    upload(np.ones(3), on_device(Interface((6, 3), stream=stream), "x"))
    assert driver == [f"array on {named}", f"copy on {named if stream else 'default stream'}"]


def test_uploads_for_tensors_can_be_written_to(driver, monkeypatch):
    """PyTorch warns of others."""

    def from_numpy(array):
        assert array.flags.writeable
        return SimpleNamespace(to=lambda device, non_blocking: Tensor(array.shape, (1,), "torch.float64"))

    monkeypatch.setattr(sys.modules["torch"], "from_numpy", from_numpy, raising=False)
    assert upload(np.broadcast_to(np.ones(3), (3,)), on_device(Tensor((6, 3), (3, 1)), "x")).shape == (3,)


def test_arrays_of_streams_that_are_no_longer_current_are_waited_for(driver, monkeypatch):
    x = CuPyArray((3,))
    x.get = lambda: driver.append("copy")
    seen = on_device(x, "x")
    on_host(seen)
    monkeypatch.setattr(sys.modules["cupy"].cuda, "get_current_stream", lambda: SimpleNamespace(ptr=0))
    on_host(seen)
    assert driver == ["copy", "synchronize", "copy"]


def test_tensors_with_gradients_are_looked_at(driver):
    x = Tensor((3,), (1,))
    x.detach = lambda: SimpleNamespace(cpu=lambda: SimpleNamespace(numpy=lambda: np.ones(3)))
    np.testing.assert_array_equal(on_host(on_device(x, "x")), np.ones(3))


def test_nodata_on_the_device(driver):
    nodata = CuPyArray((3,), dtype="<i8")
    nodata.get = lambda: np.array([1, 2, 3])
    operand, _ = open_data(CuPyArray((6, 3)), 1, nodata=nodata)
    np.testing.assert_array_equal(operand.selection.nodata.value, [1, 2, 3])


# --- what is not there ------------------------------------------------------------------------------------------------


def availability():
    pytest.importorskip("numba")
    return _backends._availability.__wrapped__(next(row for row in _backends.TABLE if row.name == "cuda"))


def test_numba_for_cuda_that_cannot_be_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastbn._backends._cuda_machine", None)
    available, reason = availability()
    assert not available
    assert reason.startswith("CUDA cannot be used (import of ")
    assert 'pip install "fastbn[cuda13]"' in reason


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"is_available": lambda: True, "implementation": "Built-in"}, "numba-cuda is not installed: pip install"),
        ({"is_available": lambda: False, "cuda_error": lambda: "\ntoo\n old\n"}, "no GPU can be used (too old): pip"),
        ({"is_available": lambda: False, "cuda_error": lambda: None}, "no GPU can be used (no device is there): pip"),
        ({"is_available": lambda: 1 // 0}, "CUDA cannot be used (integer division or modulo by zero): pip install"),
    ],
    ids=["built in", "driver", "device", "error"],
)
def test_reasons(monkeypatch, found, said):
    pytest.importorskip("numba")
    from fastbn._backends import _cuda_machine

    monkeypatch.setattr(_cuda_machine, "SIMULATED", False)
    monkeypatch.setattr(_cuda_machine, "cuda", SimpleNamespace(**found))
    available, reason = availability()
    assert not available
    assert reason.startswith(said)


@there
def test_a_tensor_whose_sign_is_pending():
    tensor = Tensor((6, 3), (3, 1))
    tensor.is_neg = lambda: True
    with pytest.raises(TypeError, match=r"x: got a tensor whose sign is still to be turned; wants .*resolve_neg"):
        on_device(tensor, "x")
    tensor.is_neg = lambda: False
    assert on_device(tensor, "x").shape == (6, 3)


UNREADABLE = {
    "order of bytes": (TypeError, {"dtype": ">f4"}),
    "multiples of 4": (ValueError, {"strides": (18,)}),
    "a multiple of 4": (ValueError, {"address": ADDRESS + 2}),
}


@there
@pytest.mark.parametrize("wants", UNREADABLE)
@pytest.mark.parametrize("name", ["x", "out", "gamma", "running_mean"])
def test_what_a_device_cannot_load(name, wants):
    error, odd = UNREADABLE[wants]
    shape = (3, 4) if name in {"x", "out"} else (4,)
    if "strides" in odd:
        odd = {"strides": odd["strides"] * len(shape)}
    arrays = {"x": Interface((3, 4)), "running_var": Interface((4,))} | {name: Interface(shape, **odd)}
    with pytest.raises(error, match=f"^{name}: got .*{wants}"):
        fastbn.batch_norm(**{"running_mean": Interface((4,), address=ADDRESS * 2)} | arrays)

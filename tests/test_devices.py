"""The door for arrays on devices, with stand-ins for the libraries: nothing needs a GPU, and no value is read."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import fastbn
from fastbn._arrays import as_operand, overlap, repeated
from fastbn._devices import OnDevice, dense_like, on_device
from stand_ins import ADDRESS, CuPyArray, Interface, Tensor


def test_any_array_by_its_interface(libraries):
    seen = on_device(Interface((3, 4), (4, 12), stream=9), "x")
    assert type(seen) is OnDevice
    assert (seen.shape, seen.strides, seen.dtype) == ((3, 4), (4, 12), np.float32)
    assert (seen.place.device, seen.place.stream) == (1, 9)
    assert seen.__array_interface__["data"][0] == ADDRESS
    assert on_device(Interface((3, 4)), "x").strides == (16, 4)


def test_a_tensor(libraries):
    x = Tensor((2, 3, 5), (15, 1, 3), "torch.float16")
    seen = on_device(x, "x")
    assert (seen.shape, seen.strides, seen.dtype) == ((2, 3, 5), (30, 2, 6), np.float16)
    assert (seen.place.device, seen.place.stream, seen.place.owner) == (3, 73, x)


def test_a_tensor_that_requires_gradients_is_refused(libraries):
    x = Tensor((2, 3), (3, 1))
    x.requires_grad = True
    with pytest.raises(TypeError, match=r"gamma: got a tensor that requires gradients.*gamma\.detach\(\)"):
        on_device(x, "gamma")


def test_results_are_the_library_s_and_laid_out_as_the_data(libraries):
    x = Tensor((2, 3, 5), (15, 1, 3))  # channels last
    seen = on_device(x, "x")
    made = seen.place.library.empty(seen.shape, dense_like(seen, np.dtype("f4")), np.dtype("f4"), seen.place)
    assert type(made) is Tensor
    assert (made.shape, made.stride()) == ((2, 3, 5), (15, 1, 3))


def test_results_for_numba_name_the_stream_of_the_data_and_are_on_its_device(libraries):
    entered, made = [], []

    class Device:
        def __enter__(self):
            entered.append(2)

        def __exit__(self, *_):
            entered.append("left")

    numba_cuda = sys.modules["numba.cuda"]
    numba_cuda.gpus = {2: Device()}
    numba_cuda.external_stream = lambda number: f"stream {number}"
    numba_cuda.device_array = lambda shape, dtype, strides, stream: made.append((shape, strides, stream))
    for stream in (9, None):
        place = on_device(Interface((3, 4), stream=stream), "x").place
        place.library.empty((2,), (4,), np.dtype("f4"), place._replace(device=2))
    assert made == [((2,), (4,), "stream 9"), ((2,), (4,), 0)]
    assert entered == [2, "left", 2, "left"]


MAKERS = [
    lambda: np.zeros((4, 3, 2)),
    lambda: np.zeros((4, 3, 2), order="F"),
    lambda: np.zeros((2, 4, 3)).transpose(1, 2, 0),
    lambda: np.zeros((4, 6, 2))[:, ::2],
    lambda: np.zeros((4, 3, 2))[::-1],
    lambda: np.zeros((1, 3, 1)),
    lambda: np.zeros(()),
]


@pytest.mark.parametrize("make", MAKERS, ids=range(len(MAKERS)))
@pytest.mark.parametrize("dtype", ["f2", "f8"])
def test_dense_like_is_empty_like(make, dtype):
    array = make()
    made = np.empty_like(array, dtype)
    moving = [a for a in range(array.ndim) if array.shape[a] > 1]
    strides = dense_like(array, np.dtype(dtype))
    assert [strides[a] for a in moving] == [made.strides[a] for a in moving]


def test_a_tensor_of_the_host_is_none(libraries):
    assert on_device(Tensor((2,), (1,), is_cuda=False), "x") is None


def test_a_dtype_that_numpy_has_not(libraries):
    with pytest.raises(TypeError, match=r"^x: got dtype torch\.bfloat16; wants"):
        on_device(Tensor((2,), (1,), "torch.bfloat16"), "x")


def test_a_dtype_that_somebody_brought_to_numpy(libraries, monkeypatch):
    """As JAX brings a bfloat16 of its own: PyTorch's is none of NumPy's for that."""
    brought = pytest.importorskip("numpy._core._rational_tests").rational
    monkeypatch.setitem(np.sctypeDict, "bfloat16", brought)
    assert np.dtype("bfloat16").type is brought
    with pytest.raises(TypeError, match=r"^x: got dtype torch\.bfloat16; wants .*x\.float\(\)"):
        on_device(Tensor((2,), (1,), "torch.bfloat16"), "x")


def test_an_array_of_cupy(libraries):
    seen = on_device(CuPyArray((4,)), "x")
    assert (seen.place.device, seen.place.stream) == (2, 55)


@pytest.mark.parametrize("dtype", ["<c8", ">f4"])
def test_dtypes_that_are_refused(libraries, dtype):
    with pytest.raises(TypeError, match=r"^x: got dtype "):
        as_operand(Interface((3, 4), dtype=dtype))


READS = [
    np.sum,
    np.isnan,
    np.concatenate,
    np.array_equal,
    lambda a: a + 1,
    lambda a: a.sum(),
    lambda a: a.all(),
    lambda a: a.copy(),
    lambda a: a.astype("f8"),
    lambda a: a.tolist(),
    lambda a: a.item(),
    lambda a: a.ravel(),
    bool,
    float,
    list,
]


@pytest.mark.parametrize("read", READS, ids=range(len(READS)))
def test_values_cannot_be_read(libraries, read):
    seen = on_device(Interface((3, 4)), "x")
    with pytest.raises(TypeError):
        read(seen)
    assert repr(seen) == "<float32 (3, 4) on device 1>"


def test_views_and_overlap_are_numpy_s(libraries):
    seen = on_device(Interface((6, 4)), "x")
    part = seen[2:, 1:].transpose(1, 0)
    assert type(part) is OnDevice
    assert part.place is seen.place
    assert part.__array_interface__["data"][0] == ADDRESS + 2 * 16 + 4
    assert overlap(seen, part)
    assert not overlap(seen[:2], seen[2:])
    assert seen.reshape(24).shape == (24,)
    for wide in (np.broadcast_to(seen, (2, 6, 4)), repeated(seen[0], 3)):
        assert type(wide) is OnDevice
        assert wide.place is seen.place
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        with pytest.raises(ValueError, match="copy"):
            part.reshape(12)


def test_data_on_a_device_need_a_backend_for_it(libraries):
    info = next(info for info in fastbn.backends() if info.name == "cuda")
    if info.available:
        pytest.skip("there is one")
    with pytest.raises(fastbn.BackendUnavailable, match=r"'cuda' cannot be used: .*pip install"):
        fastbn.channel_stats(Interface((3, 4)))


@pytest.mark.parametrize("choose", [fastbn.set_backend, lambda name: fastbn.use_backend(name).__enter__()])
def test_it_cannot_be_chosen_for_the_host(choose):
    with pytest.raises(fastbn.BackendUnavailable, match="'cuda' takes arrays on a device"):
        choose("cuda")


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("out", lambda x, host: fastbn.zscore(x, out=host)),
        ("where", lambda x, host: fastbn.zscore(x, where=host > 0)),
        ("weights", lambda x, host: fastbn.zscore(x, weights=host)),
        ("dy", lambda x, host: fastbn.batch_norm_backward(host, x, fastbn.channel_stats(host))),
        ("running_mean", lambda x, host: fastbn.batch_norm(x, running_mean=host[0], running_var=host[0])),
    ],
)
def test_nothing_is_copied_to_the_device_unasked(libraries, name, call):
    with pytest.raises(TypeError, match=f"^{name}: got ndarray.*; wants an array on the device of the data"):
        call(Interface((3, 4)), np.ones((3, 4), np.float32))


@pytest.mark.parametrize("name", ["out", "where", "weights"])
def test_nor_from_it(libraries, name):
    host, there = np.ones((3, 4), np.float32), Interface((3, 4), dtype="|b1" if name == "where" else "<f4")
    with pytest.raises(TypeError, match=f"^{name}: got Interface"):
        fastbn.zscore(host, **{name: there})


def test_another_device(libraries):
    x, out = CuPyArray((3, 4)), Tensor((3, 4), (4, 1))
    with pytest.raises(ValueError, match=r"^out: got an array on device 3; wants device 2"):
        fastbn.normalize(x, fastbn.channel_stats(np.ones((3, 4))), out=out)

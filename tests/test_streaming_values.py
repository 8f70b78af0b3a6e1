"""Arrays that come to a device in parts: the numbers, where there is a GPU, or one that is simulated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
from devices import mend_simulator

SHAPES = [(9, 3), (4, 3, 5), (3, 1, 2, 4), (1, 7)]
LAYOUTS = {
    "C": lambda x: x,
    "F": np.asfortranarray,
    "channels last": lambda x: np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1),
    "every other": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "other order of bytes": lambda x: x.astype(x.dtype.newbyteorder()),
}


@pytest.fixture(scope="module", autouse=True)
def cuda():
    """Numba's CUDA, if there is a device, or a simulated one."""
    info = next(info for info in fastbn.backends() if info.name == "cuda")
    if not info.available:
        pytest.skip(f"backend cuda: {info.reason}")
    from fastbn._backends._cuda_machine import SIMULATED

    if SIMULATED:
        mend_simulator()
    from numba import cuda

    return cuda


def numbers(shape, dtype="f4", seed=0):
    return (np.random.default_rng(seed).normal(100, 3, shape)).astype(dtype)


@given(
    shape=st.sampled_from(SHAPES),
    layout=st.sampled_from(sorted(LAYOUTS)),
    dtype=st.sampled_from(["f2", "f4", "f8", "i2", "u1", "i8"]),
    axis=st.integers(-2, 1),
    rows=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_exact_statistics_of_parts_are_those_of_all(shape, layout, dtype, axis, rows, seed):
    x = LAYOUTS[layout](numbers(shape, dtype, seed))
    keeps = 0 if axis % x.ndim == 1 else 1  # cut along an axis that is reduced
    stats = fastbn.ChannelStats.empty(shape[keeps], x.dtype)
    for part in fastbn.stream_from_host(x, axis=axis, part_bytes=rows * x.nbytes // shape[axis]):
        stats = stats.update(part.array, keeps, method="exact")
    whole = fastbn.channel_stats(x, keeps, method="exact")
    assert stats.count.tolist() == whole.count.tolist()
    for name in ("mean", "min", "max"):
        np.testing.assert_array_equal(getattr(stats, name), getattr(whole, name))
    for ddof in (0, 1):
        np.testing.assert_array_equal(stats.var(ddof), whole.var(ddof))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("in_place", ["on the device", "on the host"])
def test_maps_of_parts_are_those_of_all(layout, dtype, in_place):
    x = LAYOUTS[layout](numbers((5, 3, 4), dtype))
    whole = fastbn.channel_stats(x)
    expected = fastbn.normalize(x, whole, gamma=[1.0, 2.0, 3.0], beta=[0.0, 1.0, 2.0])
    y = x if in_place == "on the host" else np.empty_like(x)
    for part in fastbn.stream_from_host(x, part_bytes=2 * x.nbytes // 5, out=y):
        room = part.array if in_place == "on the device" else None
        part.store(fastbn.normalize(part.array, whole, gamma=[1.0, 2.0, 3.0], beta=[0.0, 1.0, 2.0], out=room))
    native = x.dtype.newbyteorder("=")
    np.testing.assert_array_max_ulp(y.astype(native), expected.astype(native), 1)


def test_an_integer_array_becomes_a_float_one():
    x, y = numbers((6, 3), "u1"), np.zeros((6, 3), ">f4")
    stats = fastbn.channel_stats(x)
    for part in fastbn.stream_from_host(x, part_bytes=7, out=y):
        part.store(fastbn.normalize(part.array, stats))
    np.testing.assert_allclose(y, fastbn.normalize(x, stats), rtol=1e-6)


def test_memory_mapped_files(tmp_path):
    np.save(tmp_path / "x.npy", numbers((7, 3)))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    y = np.lib.format.open_memmap(tmp_path / "y.npy", "w+", x.dtype, x.shape)
    stats = fastbn.channel_stats(x)
    for part in fastbn.stream_from_host(x, part_bytes=24, out=y):
        part.store(fastbn.normalize(part.array, stats))
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), fastbn.normalize(x, stats), rtol=1e-6)


def test_parts_lie_as_the_data_do(cuda):
    x = LAYOUTS["channels last"](numbers((4, 3, 2, 5)))
    for part in fastbn.stream_from_host(x, part_bytes=x.nbytes // 2):
        assert part.array.strides == x.strides
        np.testing.assert_array_equal(part.array.copy_to_host(), x[part.index])


@pytest.mark.parametrize("dtype", ["?", "f2", ">i4", "u8"])
def test_parts_have_the_dtype_of_the_data(dtype):
    x = numbers((5,), dtype)
    for part in fastbn.stream_from_host(x, part_bytes=3 * x.itemsize):
        assert part.array.dtype == x.dtype.newbyteorder("=")
        np.testing.assert_array_equal(part.array.copy_to_host(), x[part.index])


def test_results_and_statistics_outlive_the_loop():
    x = numbers((6, 3))
    kept = [fastbn.zscore(part.array, return_stats=True) for part in fastbn.stream_from_host(x, part_bytes=24)]
    for k, (y, stats) in enumerate(kept):
        own = x[2 * k : 2 * k + 2]
        np.testing.assert_allclose(y.copy_to_host(), fastbn.zscore(own), rtol=1e-6)
        assert stats.mean.tolist() == fastbn.channel_stats(own).mean.tolist()


def test_a_device_by_its_number():
    x = numbers((4, 3))
    assert len(list(fastbn.stream_from_host(x, device=0))) == 1
    with pytest.raises(ValueError, match=r"^device: got 99; wants a number in "):
        fastbn.stream_from_host(x, device=99)
    with pytest.raises(ValueError, match=r"^device: got -1; wants"):
        fastbn.stream_from_host(x, device=-1)


@pytest.mark.parametrize(("name", "where"), [("device_array", "the device"), ("pinned_array", "page-locked memory")])
def test_no_memory(cuda, monkeypatch, name, where):
    from numba.cuda.cudadrv.driver import CudaAPIError

    class NoMemory(CudaAPIError):
        code = 2

        def __init__(self):
            RuntimeError.__init__(self, "out of memory")

    def fail(*args, **kwargs):
        raise NoMemory

    monkeypatch.setattr(cuda, name, fail)
    with pytest.raises(MemoryError, match=f"no room for a part in {where}: a smaller part_bytes"):
        fastbn.stream_from_host(numbers((4, 3)))
    monkeypatch.setattr(NoMemory, "code", 1)
    with pytest.raises(NoMemory):
        fastbn.stream_from_host(numbers((4, 3)))

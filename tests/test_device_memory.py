"""Memory of a device that is not there: Python's own error, and nothing is written."""

from __future__ import annotations

import numpy as np
import pytest

import fastbn
from fastbn import _devices


class OutOfMemoryError(RuntimeError):
    """As PyTorch has it."""


class CudaAPIError(Exception):
    """As Numba has it."""

    def __init__(self, code):
        super().__init__(code, "Call to cuMemAlloc results in CUDA_ERROR")
        self.code = code


@pytest.mark.parametrize("error", [OutOfMemoryError("no memory"), CudaAPIError(2), MemoryError("of CuPy")])
def test_what_libraries_raise_is_a_memory_error(error):
    with pytest.raises(MemoryError, match=r"the device has no memory left|of CuPy"), _devices.memory_errors():
        raise error


def test_other_errors_stay_what_they_are():
    error = CudaAPIError(700)
    with pytest.raises(CudaAPIError) as caught, _devices.memory_errors():
        raise error
    assert caught.value is error


class Budget:
    """A library that can allocate a few times more."""

    def __init__(self, monkeypatch):
        self.left = 0
        for name in ("empty", "upload"):
            allocate = getattr(_devices._Numba, name)
            monkeypatch.setattr(_devices._Numba, name, lambda *args, allocate=allocate: self._spend(allocate, args))

    def _spend(self, allocate, args):
        if self.left == 0:
            raise CudaAPIError(2)
        self.left -= 1
        return allocate(*args)


X = np.random.default_rng(0).standard_normal((6, 3, 8)).astype(np.float32)
WHERE = np.arange(X.size).reshape(X.shape) % 5 > 0
CALLS = {
    "zscore": lambda x, out, where: fastbn.zscore(x, out=out),
    "zscore of some": lambda x, out, where: fastbn.zscore(x, where=where, out=out),
    "nodata": lambda x, out, where: fastbn.zscore(x, nodata=1.0, out=out),
    "minmax_scale": lambda x, out, where: fastbn.minmax_scale(x, out=out),
    "batch_norm": lambda x, out, where: fastbn.batch_norm(x, np.arange(3.0), out=out),
    "instance_norm": lambda x, out, where: fastbn.instance_norm(x, out=out),
    "layer_norm": lambda x, out, where: fastbn.layer_norm(x, out=out),
    "normalize": lambda x, out, where: fastbn.normalize(x, fastbn.channel_stats(x), out=out),
}


@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_written_without_all_memory(monkeypatch, backend, name, strided):
    if backend != "cuda":
        pytest.skip("of devices")
    x, where = (np.swapaxes(a, 0, 2).copy().swapaxes(0, 2) if strided else a for a in (X, WHERE))
    expected = np.zeros_like(X)
    CALLS[name](x, expected, where)
    budget = Budget(monkeypatch)
    for allowed in range(200):
        out = np.full_like(X, 77)
        budget.left = allowed
        try:
            CALLS[name](x, out, where)
        except MemoryError:
            assert (out == 77).all()
        else:
            break
    assert allowed > 0
    np.testing.assert_array_equal(out, expected)

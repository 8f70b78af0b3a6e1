"""Stand-ins for libraries with arrays on devices: they say what such arrays are, and have no memory."""

from __future__ import annotations

import contextlib
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import fastbn

ADDRESS = 1 << 40  # of no memory of this process


class Interface:
    """What any library gives of an array."""

    def __init__(self, shape, strides=None, dtype="<f4", address=ADDRESS, stream=None):
        self.__cuda_array_interface__ = {
            "shape": shape,
            "strides": strides,
            "typestr": dtype,
            "data": (address, False),
            "version": 3,
        } | ({} if stream is None else {"stream": stream})


class Tensor:
    """What PyTorch gives."""

    def __init__(self, shape, stride, dtype="torch.float32", is_cuda=True):
        self.shape, self._stride, self.dtype, self.is_cuda = shape, stride, dtype, is_cuda
        self.device = SimpleNamespace(index=3)

    def stride(self):
        return self._stride

    def data_ptr(self):
        return ADDRESS


Tensor.__module__ = "torch"


class CuPyArray(Interface):
    """What CuPy gives."""

    device = SimpleNamespace(id=2)


CuPyArray.__module__ = "cupy"


def install(monkeypatch: Any) -> None:
    """Put in modules that say which stream is current, and make arrays."""
    fastbn.backends()  # which looks for the real ones
    torch, cupy, numba_cuda = ModuleType("torch"), ModuleType("cupy"), ModuleType("numba.cuda")
    torch.cuda = SimpleNamespace(current_stream=lambda device: SimpleNamespace(cuda_stream=70 + device.index))
    torch.float32 = "torch.float32"
    torch.empty_strided = lambda size, stride, dtype, device: Tensor(size, stride, dtype)
    cupy.cuda = SimpleNamespace(
        get_current_stream=lambda: SimpleNamespace(ptr=55), Device=lambda number: contextlib.nullcontext()
    )
    numba_cuda.get_current_device = lambda: SimpleNamespace(id=1)
    for module in (torch, cupy, numba_cuda):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(sys.modules, "numba", ModuleType("numba"))

"""NumPy's memory given out by these tests, so that any one of its allocations can fail (NEP 49)."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

SET_HANDLER, DEFAULT_HANDLER = 304, 306  # in the table of NumPy's C functions, since 1.22
NAME = b"mem_handler"

# The context, and: size; count, size; old, size.
SIGNATURES = {
    "malloc": (ctypes.c_size_t,),
    "calloc": (ctypes.c_size_t, ctypes.c_size_t),
    "realloc": (ctypes.c_void_p, ctypes.c_size_t),
}


class Handler(ctypes.Structure):
    """The functions by which arrays get their memory."""

    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("context", ctypes.c_void_p),
        *((name, ctypes.c_void_p) for name in (*SIGNATURES, "free")),
    )


class Allocations:
    """Counts allocations, of which one fails."""

    def __init__(self):
        self.number = 0  # of the one that fails; 0: none
        self.seen = 0
        self._counting = threading.Lock()

    def fail(self, number):
        self.number, self.seen = number, 0

    @property
    def failed(self):
        return 0 < self.number <= self.seen

    def granted(self):
        with self._counting:
            self.seen += 1
            return self.seen != self.number


def pointer(capsule, name):
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return get(capsule, name)


def capsule_of(handler):
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return make(ctypes.addressof(handler), NAME, None)


TABLE = ctypes.cast(pointer(np._core._multiarray_umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
set_handler = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(TABLE[SET_HANDLER])
usual_capsule = ctypes.cast(TABLE[DEFAULT_HANDLER], ctypes.POINTER(ctypes.py_object))[0]
usual = Handler.from_address(pointer(usual_capsule, NAME))
kept = []  # arrays live longer than the tests that make them, and remember who gave them their memory


@contextmanager
def counted() -> Iterator[Allocations]:
    """Have the allocations of arrays counted."""
    made = Allocations()

    def function(name, types):
        types = ctypes.c_void_p, ctypes.c_void_p, *types
        call = ctypes.PYFUNCTYPE(*types)(getattr(usual, name))  # releases the GIL by itself
        return ctypes.CFUNCTYPE(*types)(lambda *arguments: call(*arguments) if made.granted() else None)

    functions = [function(name, types) for name, types in SIGNATURES.items()]
    addresses = [ctypes.cast(made_one, ctypes.c_void_p) for made_one in functions]
    # What frees is called where an error is on its way, as no function in Python may be.
    handler = Handler(b"of tests", 1, None, *addresses, usual.free)
    capsule = capsule_of(handler)
    kept.append((functions, handler, capsule))
    before = set_handler(capsule)
    try:
        yield made
    finally:
        made.fail(0)
        set_handler(before)

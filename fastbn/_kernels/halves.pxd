cimport cython
from libc.stdint cimport int32_t, int64_t, uint16_t

# C types of halves.py.

@cython.locals(k=Py_ssize_t, h=int32_t, size=int32_t, small=bint, bias=int32_t, lift=float, v=float)
cdef void widen(const uint16_t *halves, float *singles, Py_ssize_t count) noexcept nogil

@cython.locals(k=Py_ssize_t, v=double, size=double, shift=double, small=bint, bits=int64_t)
cdef void narrow(const double *values, uint16_t *halves, Py_ssize_t count) noexcept nogil

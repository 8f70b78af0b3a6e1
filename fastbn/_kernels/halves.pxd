cimport cython
from libc.stdint cimport int16_t, int32_t, int64_t

# C types of halves.py.

@cython.locals(size=int32_t, small=bint, bias=int32_t, lift=float, v=float)
cdef float of_half(int32_t h) noexcept nogil

@cython.locals(wide=int64_t)
cdef int32_t to_half(double v) noexcept nogil

@cython.locals(bits=int32_t, size=int32_t, even=int32_t, digits=int32_t, below=int32_t)
cdef int32_t of_single(float v) noexcept nogil

cdef int16_t ordered(int16_t h) noexcept nogil

@cython.locals(k=Py_ssize_t)
cdef void widen(const int16_t *halves, float *singles, Py_ssize_t count) noexcept nogil

@cython.locals(k=Py_ssize_t)
cdef void widen_row(const int16_t *halves, double *row, Py_ssize_t count) noexcept nogil

@cython.locals(k=Py_ssize_t)
cdef void narrow(const double *values, int16_t *halves, Py_ssize_t count) noexcept nogil

cimport cython

# C types of operands.py; `number` is the dtype of the data, `read` that of what loops read.

cdef double head_plain(read v) noexcept nogil
cdef double head_half(number v) noexcept nogil
cdef number order_plain(number v) noexcept nogil
cdef double tail_plain(read v, number w) noexcept nogil
cdef double head_wide(number v) noexcept nogil
cdef double low_bits(number v) noexcept nogil
cdef double tail_wide(number v, number w) noexcept nogil
cdef double tail_other(number v, number w) noexcept nogil

@cython.locals(k=Py_ssize_t, r=Py_ssize_t, c=Py_ssize_t, i=Py_ssize_t)
cdef void expand(
    const double *coefficients, Py_ssize_t channels, Py_ssize_t channel, Py_ssize_t width, Py_ssize_t inner,
    Py_ssize_t repeat, double *expanded
) noexcept nogil

# C types of operands.py; `number` is the dtype of the data.

cdef double head_plain(number v) noexcept nogil
cdef double tail_plain(number v) noexcept nogil
cdef double head_wide(number v) noexcept nogil
cdef double tail_wide(number v) noexcept nogil

cdef void put_apart(number *x, Py_ssize_t i, result *y, Py_ssize_t k, double v) noexcept nogil
cdef void put_over(number *x, Py_ssize_t i, result *y, Py_ssize_t k, double v) noexcept nogil

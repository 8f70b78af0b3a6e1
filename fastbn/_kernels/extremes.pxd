cimport cython

# C types of extremes.py; `number` is the dtype of the data.

@cython.locals(c=Py_ssize_t, j=Py_ssize_t)
cdef void join_ends(
    number *low, number *high, number *near, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t distance,
    Py_ssize_t count
) noexcept nogil

@cython.locals(
    low="number *", high="number *", near="number *", lanes=Py_ssize_t, size=Py_ssize_t, half=Py_ssize_t
)
cdef void fold_extremes(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, number *ends
) noexcept nogil

cdef number lowest(number a, number b) noexcept nogil

cdef number highest(number a, number b) noexcept nogil

@cython.locals(k=Py_ssize_t)
cdef void join_extremes(
    number *least, number *greatest, Py_ssize_t i, const number *low, const number *high, Py_ssize_t j,
    Py_ssize_t count
) noexcept nogil

cdef number positive_zero(number v) noexcept nogil

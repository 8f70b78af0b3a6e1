cimport cython

# C types of rows.py; `number` is the dtype of the data, `result` that of the output, `read` and `made` are those of
# the numbers that loops read and make.

cdef read *row_stored(number *x, Py_ssize_t at, Py_ssize_t count, double *room) noexcept nogil
cdef read *row_widened(number *x, Py_ssize_t at, Py_ssize_t count, double *room) noexcept nogil

cdef const read *rows_stored(
    const number *x, Py_ssize_t at, Py_ssize_t stride, Py_ssize_t lanes, Py_ssize_t depth, double *room
) noexcept nogil
@cython.locals(k=Py_ssize_t)
cdef const read *rows_widened(
    const number *x, Py_ssize_t at, Py_ssize_t stride, Py_ssize_t lanes, Py_ssize_t depth, double *room
) noexcept nogil
cdef Py_ssize_t spacing_stored(Py_ssize_t stride) noexcept nogil
cdef Py_ssize_t spacing_widened(Py_ssize_t stride) noexcept nogil

cdef made *place_apart(
    number *x, number *y, Py_ssize_t at, result *out, Py_ssize_t to, double *room
) noexcept nogil
cdef made *place_over(
    number *x, number *y, Py_ssize_t at, result *out, Py_ssize_t to, double *room
) noexcept nogil
cdef made *place_other(
    number *x, number *y, Py_ssize_t at, result *out, Py_ssize_t to, double *room
) noexcept nogil
cdef made *place_beside(
    number *x, number *y, Py_ssize_t at, result *out, Py_ssize_t to, double *room
) noexcept nogil
cdef void leave(
    made *values, number *x, Py_ssize_t at, result *out, Py_ssize_t to, Py_ssize_t count
) noexcept nogil
cdef void narrow_apart(
    made *values, number *x, Py_ssize_t at, result *out, Py_ssize_t to, Py_ssize_t count
) noexcept nogil
cdef void narrow_over(
    made *values, number *x, Py_ssize_t at, result *out, Py_ssize_t to, Py_ssize_t count
) noexcept nogil

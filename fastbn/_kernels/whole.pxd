cimport cython

# C types of whole.py; `number` is the dtype of the data.

cdef void start_lanes(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, double *acc, const double *slots, Py_ssize_t slot,
    const number *lows, const number *highs, bint quick
) noexcept nogil

@cython.locals(j=Py_ssize_t)
cdef void restart_lanes(double *acc, Py_ssize_t lanes) noexcept nogil

@cython.locals(row=Py_ssize_t, j=Py_ssize_t)
cdef void gather(double *acc, Py_ssize_t lanes, Py_ssize_t to) noexcept nogil

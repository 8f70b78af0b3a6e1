cimport cython

# C types of folds.py.

@cython.locals(row=Py_ssize_t, j=Py_ssize_t)
cdef void clear_totals(double *acc, Py_ssize_t lanes) noexcept nogil

@cython.locals(row=Py_ssize_t, i=Py_ssize_t, j=Py_ssize_t, a=double, b=double, c=double)
cdef void add_others(
    double *acc, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t count
) noexcept nogil

@cython.locals(row=Py_ssize_t, i=Py_ssize_t, j=Py_ssize_t)
cdef void join_lanes(
    double *acc, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t distance, Py_ssize_t count
) noexcept nogil

@cython.locals(c=Py_ssize_t, j=Py_ssize_t, row=Py_ssize_t)
cdef void transpose(double *acc, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t size) noexcept nogil

@cython.locals(half=Py_ssize_t)
cdef void halve(double *acc, Py_ssize_t lanes, Py_ssize_t size) noexcept nogil

@cython.locals(size=Py_ssize_t, half=Py_ssize_t)
cdef void fold_lanes(double *acc, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat) noexcept nogil

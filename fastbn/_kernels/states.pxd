cimport cython

# C types of states.py; `number` is the dtype of the data.

cdef void close_tile_moments(double *words, Py_ssize_t slots, double *terms) noexcept nogil
cdef void close_tile_totals(double *words, Py_ssize_t slots, double *terms) noexcept nogil

@cython.locals(k=Py_ssize_t, n=double, m=double, t=double, s=double, r=double)
cdef void join_moments(double *banks, Py_ssize_t count) noexcept nogil

@cython.locals(k=Py_ssize_t, special=double)
cdef void join_totals(double *banks, Py_ssize_t count) noexcept nogil

@cython.locals(p=double, e=double, q=double, f=double)
cdef (double, double, double) times(double n, double a, double b, double c) noexcept nogil

@cython.locals(
    k=Py_ssize_t, m=double, n=double, p=double, q=double, r=double, s=double, t=double, u=double, _=double,
)
cdef void join_wide(double *banks, Py_ssize_t count) noexcept nogil

@cython.locals(
    start=Py_ssize_t, slots=Py_ssize_t, row=Py_ssize_t, j=Py_ssize_t, s=double, t=double, m=double, known=bint
)
cdef void close_channels_moments(
    double *state, Py_ssize_t channels, Py_ssize_t begin, Py_ssize_t end, double *words, double *terms
) noexcept nogil

@cython.locals(row=Py_ssize_t, c=Py_ssize_t, v=double)
cdef void one_nan(double *state, Py_ssize_t channels, Py_ssize_t begin, Py_ssize_t end) noexcept nogil

@cython.locals(start=Py_ssize_t, slots=Py_ssize_t, j=Py_ssize_t, k=Py_ssize_t)
cdef void close_channels_totals(
    double *state, Py_ssize_t channels, Py_ssize_t begin, Py_ssize_t end, double *words, double *terms
) noexcept nogil

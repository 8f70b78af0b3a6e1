cimport cython

# C types of gradients.py; `number` is the dtype of x and dy.

@cython.locals(r=Py_ssize_t, c=Py_ssize_t, j=Py_ssize_t)
cdef void start_lanes(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, double *acc, const double *slots, Py_ssize_t slot,
    const number *lows, const number *highs, bint quick
) noexcept nogil

@cython.locals(row=Py_ssize_t, j=Py_ssize_t)
cdef void restart_lanes(double *acc, Py_ssize_t lanes) noexcept nogil

@cython.locals(row=Py_ssize_t, j=Py_ssize_t)
cdef void gather(double *acc, Py_ssize_t lanes, Py_ssize_t to) noexcept nogil

@cython.locals(
    mean=double, tail=double, h=double, e=double, s=double, t=double, p=double, r=double, q=double, u=double, v=double,
    w=double, z=double, a=double, b=double, c=double,
)
cdef void settle(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t pieces, Py_ssize_t step, Py_ssize_t run, const double *acc,
    double *slots, Py_ssize_t slot, number *lows, number *highs, double *partials, Py_ssize_t at, Py_ssize_t channels
) noexcept nogil

@cython.locals(s=double, t=double)
cdef (double, double) two_words(double a, double b, double c) noexcept nogil

@cython.locals(row=Py_ssize_t, c=Py_ssize_t)
cdef void close_channels(
    double *state, Py_ssize_t channels, Py_ssize_t begin, Py_ssize_t end, double *words, double *terms
) noexcept nogil

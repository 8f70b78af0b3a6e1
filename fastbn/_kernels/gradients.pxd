cimport cython

# C types of gradients.py; `number` is the dtype of x and dy.

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

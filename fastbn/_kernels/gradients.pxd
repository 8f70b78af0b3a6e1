cimport cython

# C types of gradients.py; `number` is the dtype of x and dy.

@cython.locals(c=Py_ssize_t, k=Py_ssize_t)
cdef bint start_slots(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, Py_ssize_t count, double *slots, Py_ssize_t slot,
    number *ends, number *lows, number *highs, const double *partials, Py_ssize_t at, Py_ssize_t total
) noexcept nogil

cdef void settle(
    const number *x, Py_ssize_t base, Py_ssize_t pieces, Py_ssize_t step, Py_ssize_t run, const double *acc,
    double *slots, Py_ssize_t slot, number *lows, number *highs, double *partials, Py_ssize_t at, Py_ssize_t channels
) noexcept nogil

@cython.locals(c=Py_ssize_t, s=double, t=double, q=double, f=double, p=double, e=double)
cdef void close_channels(
    double *state, Py_ssize_t channels, Py_ssize_t begin, Py_ssize_t end, double *words, double *terms
) noexcept nogil

cimport cython

# C types of gradients.py; `number` is the dtype of x and dy.

cdef bint within(double v) noexcept nogil

@cython.locals(
    quick=bint, c=Py_ssize_t, k=Py_ssize_t, least=number, greatest=number, pivot=double, size=double
)
cdef bint start_slots(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, Py_ssize_t count, double *slots, Py_ssize_t slot,
    number *ends, number *lows, number *highs, const double *partials, Py_ssize_t at, Py_ssize_t total
) noexcept nogil

@cython.locals(
    c=Py_ssize_t, pivot=double, size=double, values=double, products=double, r=Py_ssize_t, j=Py_ssize_t
)
cdef void start_lanes(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, double *acc, const double *slots, Py_ssize_t slot,
    const number *lows, const number *highs, bint quick
) noexcept nogil

cdef void settle(
    const number *x, Py_ssize_t base, Py_ssize_t pieces, Py_ssize_t step, Py_ssize_t run, const double *acc,
    double *slots, Py_ssize_t slot, number *lows, number *highs, double *partials, Py_ssize_t at, Py_ssize_t channels
) noexcept nogil

@cython.locals(c=Py_ssize_t, s=double, t=double, q=double, f=double, p=double, e=double)
cdef void close_channels(
    double *state, Py_ssize_t channels, Py_ssize_t begin, Py_ssize_t end, double *words, double *terms
) noexcept nogil

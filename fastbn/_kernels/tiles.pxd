cimport cython

# C types of tiles.py; `number` is the dtype of the data.

@cython.locals(r=Py_ssize_t, c=Py_ssize_t, j=Py_ssize_t, v=number)
cdef void start_extremes(
    const number *x, Py_ssize_t base, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat,
    number *low, number *high, number *near
) noexcept nogil

@cython.locals(j=Py_ssize_t)
cdef void join_ends(
    number *low, number *high, number *near, Py_ssize_t at, Py_ssize_t distance, Py_ssize_t count
) noexcept nogil

@cython.locals(lanes=Py_ssize_t, r=Py_ssize_t, size=Py_ssize_t, half=Py_ssize_t, c=Py_ssize_t)
cdef void fold_extremes(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, number *low, number *high, number *near
) noexcept nogil

@cython.locals(
    all_sure=bint, c=Py_ssize_t, k=Py_ssize_t, row=Py_ssize_t, least=number, greatest=number, pivot=double
)
cdef bint start_slots(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t count, double *slots, Py_ssize_t slot,
    const number *low, const number *high, const number *near, number *lows, number *highs
) noexcept nogil

@cython.locals(
    c=Py_ssize_t, r=Py_ssize_t, j=Py_ssize_t, pivot=double, rest=double, span=double, values=double, squares=double
)
cdef void start_lanes(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, double *acc, const double *slots, Py_ssize_t slot,
    const number *lows, const number *highs, bint quick
) noexcept nogil

@cython.locals(row=Py_ssize_t, j=Py_ssize_t)
cdef void clear_totals(double *acc, Py_ssize_t lanes) noexcept nogil

@cython.locals(row=Py_ssize_t, j=Py_ssize_t, a=double, b=double, c=double)
cdef void add_others(double *acc, Py_ssize_t count) noexcept nogil

@cython.locals(j=Py_ssize_t, start=double)
cdef void gather(double *acc, Py_ssize_t lanes) noexcept nogil

@cython.locals(row=Py_ssize_t, j=Py_ssize_t)
cdef void join_lanes(double *acc, Py_ssize_t distance, Py_ssize_t count) noexcept nogil

@cython.locals(lanes=Py_ssize_t, r=Py_ssize_t, size=Py_ssize_t, half=Py_ssize_t, c=Py_ssize_t, row=Py_ssize_t)
cdef void fold_totals(
    double *acc, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, double *slots, Py_ssize_t slot
) noexcept nogil

cimport cython
from libc.stdint cimport int64_t

# C types of exact.py; `number` is the dtype of the data.

@cython.locals(j=Py_ssize_t)
cdef void keep_lanes(number *ends, Py_ssize_t lanes) noexcept nogil

@cython.locals(
    strays=Py_ssize_t, c=Py_ssize_t, r=Py_ssize_t, j=Py_ssize_t, least=number, greatest=number, floor=double
)
cdef bint start_slots(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, Py_ssize_t count, double *slots, Py_ssize_t slot,
    number *ends, number *lows, number *highs
) noexcept nogil

@cython.locals(
    c=Py_ssize_t, r=Py_ssize_t, j=Py_ssize_t, at=Py_ssize_t, span=double, floor=double, values=double,
    squares=double, rests=double,
)
cdef void start_lanes(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, double *acc, const double *slots, Py_ssize_t slot,
    const number *lows, const number *highs, bint quick
) noexcept nogil

@cython.locals(j=Py_ssize_t)
cdef void start_words(
    double *acc, Py_ssize_t at, Py_ssize_t count, Py_ssize_t row, double first, double second
) noexcept nogil

@cython.locals(row=Py_ssize_t, j=Py_ssize_t)
cdef void restart_lanes(double *acc, Py_ssize_t lanes) noexcept nogil

@cython.locals(row=Py_ssize_t, j=Py_ssize_t)
cdef void gather(double *acc, Py_ssize_t lanes, Py_ssize_t to) noexcept nogil

cdef void fold_totals(
    double *acc, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, double *slots, Py_ssize_t slot
) noexcept nogil

@cython.locals(total=double, row=Py_ssize_t, to=Py_ssize_t)
cdef void settle(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t pieces, Py_ssize_t step, Py_ssize_t run, const double *acc,
    double *slots, Py_ssize_t slot, number *lows, number *highs, int64_t *partials, Py_ssize_t at, Py_ssize_t channels
) noexcept nogil

@cython.locals(low=number, high=number, i=Py_ssize_t, j=Py_ssize_t, v=number, d=double)
cdef void count_special(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t pieces, Py_ssize_t step, Py_ssize_t run, Py_ssize_t slot,
    number *lows, number *highs, int64_t *partials, Py_ssize_t at, Py_ssize_t channels
) noexcept nogil

@cython.locals(j=Py_ssize_t, floor=double, to=Py_ssize_t, r=Py_ssize_t, v=number)
cdef void pick(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t rows, Py_ssize_t stride, Py_ssize_t lanes, Py_ssize_t rest,
    Py_ssize_t width, Py_ssize_t inner, const double *acc, const number *ends, int64_t *partials, Py_ssize_t at,
    Py_ssize_t channels
) noexcept nogil

cdef void pick_none(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t rows, Py_ssize_t stride, Py_ssize_t lanes, Py_ssize_t rest,
    Py_ssize_t width, Py_ssize_t inner, const double *acc, const number *ends, int64_t *partials, Py_ssize_t at,
    Py_ssize_t channels
) noexcept nogil

cdef void close_tile(double *slots, Py_ssize_t count, double *terms) noexcept nogil
cdef void join_slots(double *slots, Py_ssize_t distance, Py_ssize_t count, double *banks) noexcept nogil
cdef void put_slots(
    Py_ssize_t turn, int64_t *partials, Py_ssize_t at, Py_ssize_t channels, const double *slots, Py_ssize_t count,
    double *banks
) noexcept nogil

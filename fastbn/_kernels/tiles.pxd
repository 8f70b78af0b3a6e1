cimport cython

# C types of tiles.py; `number` is the dtype of the data.

cdef void keep_lanes(number *ends, Py_ssize_t lanes) noexcept nogil

@cython.locals(
    all_sure=bint, c=Py_ssize_t, k=Py_ssize_t, row=Py_ssize_t, least=number, greatest=number, pivot=double,
    low="number *", high="number *", near="number *",
)
cdef bint start_slots(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, Py_ssize_t count, double *slots, Py_ssize_t slot,
    number *ends, number *lows, number *highs
) noexcept nogil

@cython.locals(
    c=Py_ssize_t, r=Py_ssize_t, j=Py_ssize_t, pivot=double, rest=double, span=double, values=double, squares=double
)
cdef void start_lanes(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, double *acc, const double *slots, Py_ssize_t slot,
    const number *lows, const number *highs, bint quick
) noexcept nogil

@cython.locals(j=Py_ssize_t, start=double)
cdef void restart_lanes(double *acc, Py_ssize_t lanes) noexcept nogil

@cython.locals(j=Py_ssize_t, start=double)
cdef void gather(double *acc, Py_ssize_t lanes, Py_ssize_t to) noexcept nogil

@cython.locals(c=Py_ssize_t, row=Py_ssize_t)
cdef void fold_totals(
    double *acc, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, double *slots, Py_ssize_t slot
) noexcept nogil

cdef void settle(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t pieces, Py_ssize_t step, Py_ssize_t run, const double *acc,
    double *slots, Py_ssize_t slot, number *lows, number *highs, double *partials, Py_ssize_t at, Py_ssize_t channels
) noexcept nogil

@cython.locals(
    magnitude=double, special=double, low=number, high=number, i=Py_ssize_t, j=Py_ssize_t, v=number, d=double,
    scale=double, s=double, c=double, t=double, q=double, f=double, g=double, p=double, e=double,
)
cdef void rescue(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t pieces, Py_ssize_t stride, Py_ssize_t run, double *words,
    Py_ssize_t slot, number *least, number *greatest
) noexcept nogil

cdef void pick(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t rows, Py_ssize_t stride, Py_ssize_t lanes, Py_ssize_t rest,
    Py_ssize_t width, Py_ssize_t inner, const double *acc, const number *ends, double *partials, Py_ssize_t at,
    Py_ssize_t channels
) noexcept nogil

@cython.locals(first=Py_ssize_t, some=Py_ssize_t, row=Py_ssize_t, k=Py_ssize_t)
cdef void join(
    double *into, Py_ssize_t i, Py_ssize_t i_row, const double *part, Py_ssize_t j, Py_ssize_t j_row, Py_ssize_t count,
    double *banks
) noexcept nogil

cdef void join_slots(double *slots, Py_ssize_t distance, Py_ssize_t count, double *banks) noexcept nogil

@cython.locals(row=Py_ssize_t, k=Py_ssize_t)
cdef void put_slots(
    Py_ssize_t turn, double *partials, Py_ssize_t at, Py_ssize_t channels, const double *slots, Py_ssize_t count,
    double *banks
) noexcept nogil

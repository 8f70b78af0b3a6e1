cimport cython

# C types of passes.py; `number` is the dtype of the data.

cdef bint expected(const number *ends) noexcept nogil

@cython.locals(found=bint, c=Py_ssize_t, total=double)
cdef bint suspicious(const double *acc, Py_ssize_t channels) noexcept nogil

@cython.locals(c=Py_ssize_t)
cdef void remember(number *ends, Py_ssize_t channels, bint gapped) noexcept nogil

@cython.locals(r=Py_ssize_t, c=Py_ssize_t, j=Py_ssize_t, v=number)
cdef void start_extremes(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t apart, Py_ssize_t pieces, Py_ssize_t step,
    Py_ssize_t run, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, number *ends,
    bint gapped
) noexcept nogil

@cython.locals(low="number *", high="number *", near="number *", deep=Py_ssize_t)
cdef void survey(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t rows, Py_ssize_t stride, Py_ssize_t lanes,
    Py_ssize_t rest, number *ends, bint gapped
) noexcept nogil

cdef void fold_extremes(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, number *ends, bint gapped
) noexcept nogil

cdef bint start_slots(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, Py_ssize_t count, double *slots, Py_ssize_t slot,
    number *ends, number *lows, number *highs, bint gapped
) noexcept nogil

@cython.locals(deep=Py_ssize_t)
cdef void accumulate(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t rows, Py_ssize_t stride, Py_ssize_t lanes,
    Py_ssize_t rest, double *acc, Py_ssize_t ahead, bint quick, number *ends, bint gapped
) noexcept nogil

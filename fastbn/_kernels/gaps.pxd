cimport cython

# C types of gaps.py; `number` is the dtype of the data.

cdef bint expected_after(const number *ends) noexcept nogil
cdef bint expected_always(const number *ends) noexcept nogil

@cython.locals(found=bint, c=Py_ssize_t, total=double)
cdef bint suspicious(const double *acc, Py_ssize_t channels) noexcept nogil

@cython.locals(c=Py_ssize_t)
cdef void remember(number *ends, Py_ssize_t channels, bint gapped) noexcept nogil

@cython.locals(i=Py_ssize_t, j=Py_ssize_t)
cdef number first_present(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t pieces, Py_ssize_t step, Py_ssize_t run
) noexcept nogil

@cython.locals(c=Py_ssize_t, v=number, r=Py_ssize_t, j=Py_ssize_t)
cdef void start_extremes(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t apart, Py_ssize_t pieces, Py_ssize_t step,
    Py_ssize_t run, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, number *ends,
    bint gapped
) noexcept nogil

@cython.locals(deep=Py_ssize_t)
cdef void survey(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t rows, Py_ssize_t stride, Py_ssize_t lanes,
    Py_ssize_t rest, number *ends, bint gapped
) noexcept nogil

@cython.locals(c=Py_ssize_t, total=number, r=Py_ssize_t, j=Py_ssize_t)
cdef void fold_extremes(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, number *ends, bint gapped
) noexcept nogil

@cython.locals(c=Py_ssize_t, quick=bint, fill=number, r=Py_ssize_t, j=Py_ssize_t)
cdef bint start_slots(
    Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t repeat, Py_ssize_t count, double *slots, Py_ssize_t slot,
    number *ends, number *lows, number *highs, bint gapped
) noexcept nogil

@cython.locals(found=int, j=Py_ssize_t)
cdef int any_gap(const number *ends, Py_ssize_t lanes) noexcept nogil

@cython.locals(k=Py_ssize_t, j=Py_ssize_t, v=number, w=number)
cdef void fill_rows(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t rows, Py_ssize_t stride, Py_ssize_t lanes,
    number *ends
) noexcept nogil

@cython.locals(filled="number *", r=Py_ssize_t, count=Py_ssize_t, k=Py_ssize_t)
cdef void accumulate(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t rows, Py_ssize_t stride, Py_ssize_t lanes,
    Py_ssize_t rest, double *acc, Py_ssize_t ahead, bint quick, number *ends, bint gapped
) noexcept nogil

cimport cython
from libc.stdint cimport int32_t

# C types of lanes.py; `number` is the dtype of the data, `read` that of what loops read.

@cython.locals(
    i=Py_ssize_t, at=Py_ssize_t, j=Py_ssize_t, k=Py_ssize_t, v=number, least=number, greatest=number, smallest=number
)
cdef void survey(
    const number *x, Py_ssize_t base, Py_ssize_t groups, Py_ssize_t stride, Py_ssize_t lanes,
    number_alone low, number_alone high, number_alone near
) noexcept nogil

@cython.locals(
    i=Py_ssize_t, at=Py_ssize_t, j=Py_ssize_t, k=Py_ssize_t, v=number, w=number, least=number, greatest=number,
    smallest=number, gaps=number, one=number,
)
cdef void survey_gaps(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t groups, Py_ssize_t stride, Py_ssize_t lanes,
    number_alone ends
) noexcept nogil

@cython.locals(
    i=Py_ssize_t, at=Py_ssize_t, j=Py_ssize_t, k=Py_ssize_t, pivot=double, pivot_tail=double,
    s=double, c=double, t=double, q=double, f=double, values="const read *", apart=Py_ssize_t,
)
cdef void accumulate(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t groups, Py_ssize_t stride, Py_ssize_t lanes,
    lane_sums acc, Py_ssize_t ahead
) noexcept nogil

@cython.locals(
    i=Py_ssize_t, at=Py_ssize_t, j=Py_ssize_t, k=Py_ssize_t, d=int32_t, s=int32_t, q=int32_t,
)
cdef void accumulate_bytes(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t groups, Py_ssize_t stride, Py_ssize_t lanes,
    lane_sums acc, Py_ssize_t ahead
) noexcept nogil

@cython.locals(
    i=Py_ssize_t, at=Py_ssize_t, j=Py_ssize_t, k=Py_ssize_t, d=double, s=double, q=double,
)
cdef void accumulate_shorts(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t groups, Py_ssize_t stride, Py_ssize_t lanes,
    lane_sums acc, Py_ssize_t ahead
) noexcept nogil

@cython.locals(
    i=Py_ssize_t, at=Py_ssize_t, j=Py_ssize_t, k=Py_ssize_t, floor=double, s=double, c=double, t=double, q=double,
    f=double, h=double, g=double, r=double, w=double, values="const read *", apart=Py_ssize_t,
)
cdef void accumulate_exact(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t groups, Py_ssize_t stride, Py_ssize_t lanes,
    lane_sums acc, Py_ssize_t ahead
) noexcept nogil

@cython.locals(
    i=Py_ssize_t, at=Py_ssize_t, j=Py_ssize_t, k=Py_ssize_t, pivot=double, s=double, c=double, t=double, q=double,
    f=double, h=double, v=number, w=number,
)
cdef void accumulate_pairs(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t groups, Py_ssize_t stride, Py_ssize_t lanes,
    lane_sums acc, Py_ssize_t ahead
) noexcept nogil

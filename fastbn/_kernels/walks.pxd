cimport cython
from libc.stdint cimport int64_t

# C types of walks.py; `number` is the dtype of the data, `word` that of a state.

@cython.locals(
    acc="double *", slots="double *", lows="number *",
    highs="number *", rows=Py_ssize_t, rest=Py_ssize_t, c=Py_ssize_t, i=Py_ssize_t, quick=bint, first="double *",
    start=Py_ssize_t, kept="number *", gapped=bint, _=Py_ssize_t,
)
cdef void sum_pieces(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t width, Py_ssize_t apart, Py_ssize_t pieces,
    Py_ssize_t step, Py_ssize_t length, Py_ssize_t lanes, Py_ssize_t ahead, double *scratch, number *ends,
    Py_ssize_t slot, word *partials, Py_ssize_t at, Py_ssize_t channels
) noexcept nogil

@cython.locals(
    acc="double *", slots="double *", lows="number *",
    highs="number *", full=Py_ssize_t, rest=Py_ssize_t, lanes=Py_ssize_t, quick=bint, group=Py_ssize_t,
    count=Py_ssize_t, last=Py_ssize_t, c=Py_ssize_t, first="double *", gapped=bint, _=Py_ssize_t,
    start=Py_ssize_t,
)
cdef void sum_columns(
    const number *x, const number *y, Py_ssize_t base, Py_ssize_t rows, Py_ssize_t stride, Py_ssize_t width,
    Py_ssize_t inner, Py_ssize_t repeat, Py_ssize_t ahead, double *scratch, number *ends, word *partials,
    Py_ssize_t at, Py_ssize_t channels
) noexcept nogil

@cython.locals(half=Py_ssize_t)
cdef void close_batch(
    Py_ssize_t filled, Py_ssize_t width, double *slots, double *terms, number *lows, number *highs,
    double *banks
) noexcept nogil

@cython.locals(k=Py_ssize_t)
cdef void deliver(
    Py_ssize_t turn, word *partials, Py_ssize_t at, Py_ssize_t channels, const double *slots, Py_ssize_t count,
    number *least, number *greatest, Py_ssize_t end, const number *lows, const number *highs,
    double *banks
) noexcept nogil

@cython.locals(
    banks="double *", slots="double *", terms="double *", lows="number *", highs="number *", channels=Py_ssize_t, segments=Py_ssize_t,
    tiles=Py_ssize_t, apart=Py_ssize_t, stride=Py_ssize_t, pieces=Py_ssize_t, run=Py_ssize_t, runs=Py_ssize_t,
    lanes=Py_ssize_t, block=Py_ssize_t, batch=Py_ssize_t, ahead=Py_ssize_t, width=Py_ssize_t, unit=Py_ssize_t, channel=Py_ssize_t, segment=Py_ssize_t, first_tile=Py_ssize_t, last_tile=Py_ssize_t,
    at=Py_ssize_t, end_at=Py_ssize_t, tile=Py_ssize_t, offset=Py_ssize_t, piece=Py_ssize_t, base=Py_ssize_t,
    length=Py_ssize_t, count=Py_ssize_t, turn=Py_ssize_t, slot=Py_ssize_t,
)
cdef void walk_rows(
    const number *x, const number *y, const int64_t *geometry, Py_ssize_t begin, Py_ssize_t end, word *partials,
    number *least, number *greatest, double *scratch, number *ends
) noexcept nogil

@cython.locals(
    banks="double *", slots="double *", terms="double *", lows="number *", highs="number *", channels=Py_ssize_t, segments=Py_ssize_t,
    tiles=Py_ssize_t, stride=Py_ssize_t, inner=Py_ssize_t, block=Py_ssize_t, repeat=Py_ssize_t, tile_rows=Py_ssize_t,
    unit=Py_ssize_t, segment=Py_ssize_t, channel=Py_ssize_t, width=Py_ssize_t, first_tile=Py_ssize_t, at=Py_ssize_t,
    end_at=Py_ssize_t, tile=Py_ssize_t, rows=Py_ssize_t, base=Py_ssize_t, ahead=Py_ssize_t, turn=Py_ssize_t,
    group=Py_ssize_t, apart=Py_ssize_t, first=Py_ssize_t, last=Py_ssize_t, b=Py_ssize_t,
)
cdef void walk_columns(
    const number *x, const number *y, const int64_t *geometry, Py_ssize_t begin, Py_ssize_t end, word *partials,
    number *least, number *greatest, double *scratch, number *ends
) noexcept nogil

@cython.locals(size=Py_ssize_t, count=Py_ssize_t, half=Py_ssize_t, g=Py_ssize_t, other=Py_ssize_t)
cdef void combine(
    word *partials, Py_ssize_t segments, Py_ssize_t channels, Py_ssize_t begin, Py_ssize_t end,
    number *least, number *greatest, double *scratch
) noexcept nogil

cdef void absorb(
    word *partials, const word *part, Py_ssize_t channels, number *least, number *greatest,
    const number *low, const number *high, double *scratch
) noexcept nogil

@cython.locals(c=Py_ssize_t)
cdef void conclude(
    word *partials, Py_ssize_t channels, Py_ssize_t begin, Py_ssize_t end, number *least, number *greatest,
    double *scratch
) noexcept nogil

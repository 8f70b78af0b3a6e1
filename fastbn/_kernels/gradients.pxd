cimport cython
from libc.stdint cimport int64_t

# C types of gradients.py; `number` is the dtype of x, dy and dx.

@cython.locals(deep=Py_ssize_t)
cdef void accumulate_pairs(
    const number *x, Py_ssize_t at, Py_ssize_t x_stride, const number *y, Py_ssize_t to, Py_ssize_t y_stride,
    Py_ssize_t rows, Py_ssize_t lanes, Py_ssize_t rest, double *acc
) noexcept nogil

@cython.locals(row=Py_ssize_t, c=Py_ssize_t)
cdef void deliver_gradients(
    const double *acc, Py_ssize_t inner, Py_ssize_t width, double *partials, Py_ssize_t at, Py_ssize_t channels
) noexcept nogil

@cython.locals(
    channels=Py_ssize_t, segments=Py_ssize_t, tiles=Py_ssize_t, pieces=Py_ssize_t, run=Py_ssize_t, runs=Py_ssize_t,
    unit=Py_ssize_t, channel=Py_ssize_t, segment=Py_ssize_t, j=Py_ssize_t, tile=Py_ssize_t, offset=Py_ssize_t,
    first=Py_ssize_t, length=Py_ssize_t, piece=Py_ssize_t, at=Py_ssize_t, to=Py_ssize_t,
)
cdef void gradient_rows(
    const number *x, const int64_t *x_geometry, const number *y, const int64_t *y_geometry, const double *state,
    Py_ssize_t begin, Py_ssize_t end, double *partials, double *acc
) noexcept nogil

@cython.locals(
    channels=Py_ssize_t, segments=Py_ssize_t, tiles=Py_ssize_t, inner=Py_ssize_t, block=Py_ssize_t,
    repeat=Py_ssize_t, x_stride=Py_ssize_t, y_stride=Py_ssize_t, unit=Py_ssize_t, segment=Py_ssize_t,
    channel=Py_ssize_t, width=Py_ssize_t, lanes=Py_ssize_t, r=Py_ssize_t, c=Py_ssize_t, j=Py_ssize_t,
    first=Py_ssize_t, last=Py_ssize_t, at=Py_ssize_t, to=Py_ssize_t, full=Py_ssize_t, rest=Py_ssize_t,
)
cdef void gradient_columns(
    const number *x, const int64_t *x_geometry, const number *y, const int64_t *y_geometry, const double *state,
    Py_ssize_t begin, Py_ssize_t end, double *partials, double *acc
) noexcept nogil

@cython.locals(row=Py_ssize_t, k=Py_ssize_t, a=Py_ssize_t, b=Py_ssize_t)
cdef void add_gradients(
    double *into, Py_ssize_t i, const double *part, Py_ssize_t j, Py_ssize_t channels, Py_ssize_t count
) noexcept nogil

@cython.locals(size=Py_ssize_t, count=Py_ssize_t, half=Py_ssize_t, g=Py_ssize_t)
cdef void combine_gradients(
    double *partials, Py_ssize_t segments, Py_ssize_t channels, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil

cdef void absorb_gradients(double *partials, const double *part, Py_ssize_t channels) noexcept nogil

@cython.locals(
    c=Py_ssize_t, n=double, s=double, t=double, q=double, f=double, p=double, e=double, r=double, u=double,
    a=double, b=double,
)
cdef void gradient_coefficients(
    const double *partials, const double *state, Py_ssize_t channels, const double *gamma, double eps,
    double *dgamma, double *dbeta, double *coefficients, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil

@cython.locals(i=Py_ssize_t, d=double)
cdef void map_gradient(
    const number *x, Py_ssize_t at, const number *y, Py_ssize_t to, number *out, Py_ssize_t into, Py_ssize_t count,
    double centre, double tail, double slope, double tilt, double offset
) noexcept nogil

@cython.locals(
    outer=Py_ssize_t, channels=Py_ssize_t, runs=Py_ssize_t, run=Py_ssize_t, unit=Py_ssize_t, start=Py_ssize_t,
    piece=Py_ssize_t, c=Py_ssize_t, at=Py_ssize_t, to=Py_ssize_t, into=Py_ssize_t,
)
cdef void gradient_map_rows(
    const number *x, const int64_t *x_geometry, const number *y, const int64_t *y_geometry, number *out,
    const int64_t *out_geometry, const double *k, Py_ssize_t begin, Py_ssize_t end, double *expanded
) noexcept nogil

@cython.locals(j=Py_ssize_t, d=double, v=double)
cdef void map_gradient_row(
    const number *x, Py_ssize_t at, const number *y, Py_ssize_t to, number *out, Py_ssize_t into, Py_ssize_t lanes,
    const double *k
) noexcept nogil

@cython.locals(
    outer=Py_ssize_t, channels=Py_ssize_t, inner=Py_ssize_t, block=Py_ssize_t, rows=Py_ssize_t, repeat=Py_ssize_t,
    x_stride=Py_ssize_t, y_stride=Py_ssize_t, out_stride=Py_ssize_t, chunks=Py_ssize_t, held=Py_ssize_t,
    unit=Py_ssize_t, channel=Py_ssize_t, width=Py_ssize_t, row=Py_ssize_t, r=Py_ssize_t, c=Py_ssize_t, i=Py_ssize_t,
    last=Py_ssize_t, at=Py_ssize_t, to=Py_ssize_t, into=Py_ssize_t, _=Py_ssize_t,
)
cdef void gradient_map_columns(
    const number *x, const int64_t *x_geometry, const number *y, const int64_t *y_geometry, number *out,
    const int64_t *out_geometry, const double *k, Py_ssize_t begin, Py_ssize_t end, double *expanded
) noexcept nogil

cimport cython
from libc.stdint cimport int64_t

# C types of maps.py; `number` is the dtype of the data, `result` that of the output, `read` and
# `made` are those of the numbers that loops read and make.

@cython.locals(
    a=double, b=double, c=double, d=double, e=double, f=double, g=double, h=double, i=Py_ssize_t, v=read, w=number,
    first=Py_ssize_t, some=Py_ssize_t, values="read *", results="made *",
)
cdef void map_run(
    number *x, number *y, Py_ssize_t at, result *out, Py_ssize_t to, Py_ssize_t count, const double *coefficients,
    Py_ssize_t channels, Py_ssize_t channel, double *room
) noexcept nogil

@cython.locals(
    outer=Py_ssize_t, channels=Py_ssize_t, runs=Py_ssize_t, run=Py_ssize_t, block=Py_ssize_t, unit=Py_ssize_t,
    start=Py_ssize_t, piece=Py_ssize_t, first=Py_ssize_t, channel=Py_ssize_t, at=Py_ssize_t, to=Py_ssize_t,
)
cdef void map_rows(
    number *x, number *y, const int64_t *geometry, result *out, const int64_t *out_geometry,
    const double *coefficients, Py_ssize_t begin, Py_ssize_t end, double *expanded
) noexcept nogil

@cython.locals(j=Py_ssize_t, v=read, w=number, values="read *", results="made *")
cdef void map_row(
    number *x, number *y, Py_ssize_t at, result *out, Py_ssize_t to, Py_ssize_t lanes, double *k
) noexcept nogil

@cython.locals(
    outer=Py_ssize_t, channels=Py_ssize_t, inner=Py_ssize_t, rows=Py_ssize_t, repeat=Py_ssize_t,
    stride=Py_ssize_t, out_stride=Py_ssize_t, chunks=Py_ssize_t, held=Py_ssize_t, unit=Py_ssize_t,
    channel=Py_ssize_t, width=Py_ssize_t, row=Py_ssize_t, last=Py_ssize_t, at=Py_ssize_t, to=Py_ssize_t, _=Py_ssize_t,
    group=Py_ssize_t, rest=Py_ssize_t, scattered=bint,
)
cdef void map_columns(
    number *x, number *y, const int64_t *geometry, result *out, const int64_t *out_geometry,
    const double *coefficients, Py_ssize_t begin, Py_ssize_t end, double *expanded
) noexcept nogil

cimport cython

# C types of steps.py; `number` is the dtype of the data.

@cython.locals(u=double)
cdef (double, double) add_square(double q, double f, double d) noexcept nogil

@cython.locals(d=double)
cdef (double, double, double, double, double) plain(
    number v, double pivot, double pivot_tail, double s, double c, double t, double q, double f
) noexcept nogil

cdef (double, double, double, double, double) half(
    double v, double pivot, double pivot_tail, double s, double c, double t, double q, double f
) noexcept nogil

@cython.locals(d=double, r=double)
cdef (double, double, double, double, double) carried(
    number v, double pivot, double pivot_tail, double s, double c, double t, double q, double f
) noexcept nogil

@cython.locals(d=double, r=double, e=double, u=double)
cdef (double, double, double, double, double) general(
    number v, double pivot, double pivot_tail, double s, double c, double t, double q, double f
) noexcept nogil

@cython.locals(d=double, e=double, r=double)
cdef (double, double, double, double, double) wide(
    number v, double pivot, double pivot_tail, double s, double c, double t, double q, double f
) noexcept nogil

cdef (double, double, double) add_word(double s, double c, double t, double d) noexcept nogil

cdef (double, double, double) add_product(double s, double c, double t, double p, double e) noexcept nogil

@cython.locals(r=double, a=double)
cdef (double, double, double, double, double, double) short_product(
    number v, double w, double pivot, double s, double c, double t, double q, double f, double h
) noexcept nogil

@cython.locals(p=double, e=double)
cdef (double, double, double, double, double, double) product(
    number v, double w, double pivot, double s, double c, double t, double q, double f, double h
) noexcept nogil

@cython.locals(d=double, p=double, e=double, r=double, a=double)
cdef (double, double, double, double, double, double) weighted(
    number v, double w, double pivot, double s, double c, double t, double q, double f, double h
) noexcept nogil

cimport cython

# C types of exact_steps.py; `number` is the dtype of the data, `read` that of what loops read.

@cython.locals(u=double)
cdef (double, double) grow(double total, double v) noexcept nogil

@cython.locals(u=double)
cdef (double, double) grow_square(double q, double d) noexcept nogil

@cython.locals(d=double)
cdef double present(number v, double floor) noexcept nogil

@cython.locals(a=double, b=double, d=double, e=double, p=double, u=double, w=double)
cdef (double, double, double, double, double, double, double, double, double) exact_plain(
    read v, double floor, double s, double c, double t, double q, double f, double h, double g, double r, double k
) noexcept nogil

@cython.locals(a=double, b=double, d=double, e=double, p=double, u=double, w=double)
cdef (double, double, double, double, double, double, double, double, double) exact_single(
    number v, double floor, double s, double c, double t, double q, double f, double h, double g, double r, double k
) noexcept nogil

@cython.locals(a=double, b=double, d=double, e=double, p=double, u=double, w=double)
cdef (double, double, double, double, double, double, double, double, double) exact_single_careful(
    number v, double floor, double s, double c, double t, double q, double f, double h, double g, double r, double k
) noexcept nogil

@cython.locals(a=double, b=double, d=double, e=double, p=double, u=double, w=double)
cdef (double, double, double, double, double, double, double, double, double) exact_double(
    number v, double floor, double s, double c, double t, double q, double f, double h, double g, double r, double k
) noexcept nogil

@cython.locals(a=double, b=double, d=double, e=double, p=double, u=double, w=double)
cdef (double, double, double, double, double, double, double, double, double) exact_double_careful(
    number v, double floor, double s, double c, double t, double q, double f, double h, double g, double r, double k
) noexcept nogil

@cython.locals(a=double, b=double, d=double, e=double, p=double, u=double, w=double)
cdef (double, double, double, double, double, double, double, double, double) exact_wide(
    number v, double floor, double s, double c, double t, double q, double f, double h, double g, double r, double k
) noexcept nogil

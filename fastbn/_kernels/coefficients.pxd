cimport cython

# C types of coefficients.py.

@cython.locals(v=double, t=double)
cdef (double, double) deviation(
    const double *state, Py_ssize_t channels, Py_ssize_t c, double eps, double ddof
) noexcept nogil

@cython.locals(folded=double)
cdef void set_affine(
    double *coefficients, Py_ssize_t channels, Py_ssize_t c, double pivot, double pivot_tail, double scale,
    double scale_tail, double shift, double shift_tail
) noexcept nogil

@cython.locals(
    g=Py_ssize_t, c=Py_ssize_t, r=double, t=double, a=double, al=double, mean=double, tail=double
)
cdef void standardize(
    const double *state, Py_ssize_t groups, Py_ssize_t members, const double *gamma, const double *beta, double eps,
    double ddof, double constant, double *coefficients, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil

@cython.locals(c=Py_ssize_t, r=double, t=double, a=double, al=double, mean=double, tail=double)
cdef void destandardize(
    const double *state, Py_ssize_t channels, const double *gamma, const double *beta, double eps, double ddof,
    double *coefficients, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil

cdef double any_number(double v) noexcept nogil

cdef double unit_of(double low, double high, double width) noexcept nogil

@cython.locals(width=double, factor=double, half=double, increase=double)
cdef void set_interval(
    double *coefficients, Py_ssize_t channels, Py_ssize_t c, double low, double low_tail, double high,
    double high_tail, double start, double stop, double least, double constant
) noexcept nogil

@cython.locals(c=Py_ssize_t, a=double, b=double)
cdef void rescale(
    const double *count, Py_ssize_t channels, const double *low, const double *low_tail, const double *high,
    const double *high_tail, double start, double stop, double least, double constant, double *coefficients
) noexcept nogil

@cython.locals(c=Py_ssize_t, a=double, b=double)
cdef void unscale(
    const double *count, Py_ssize_t channels, const double *low, const double *low_tail, const double *high,
    const double *high_tail, double start, double stop, double *coefficients
) noexcept nogil

@cython.locals(c=Py_ssize_t, v=double, _=double)
cdef void update_running(
    const double *state, Py_ssize_t channels, double keep, double take, double ddof, double *mean, double *var
) noexcept nogil

@cython.locals(
    channels=Py_ssize_t, g=Py_ssize_t, c=Py_ssize_t, n=double, r=double, u=double, s=double, t=double, q=double,
    f=double, p=double, e=double, a=double, b=double,
)
cdef void differentiate(
    const double *sums, const double *state, Py_ssize_t groups, Py_ssize_t members, const double *gamma, double eps,
    double *dgamma, double *dbeta, double *coefficients, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil

cimport cython

# C types of coefficients.py.

@cython.locals(v=double, t=double)
cdef (double, double) deviation(double n, double m2, double m2_tail, double eps, double ddof) noexcept nogil

@cython.locals(k=Py_ssize_t)
cdef void bring(
    const double *numbers, Py_ssize_t at, Py_ssize_t count, lane_sums bank, Py_ssize_t row
) noexcept nogil

@cython.locals(row=Py_ssize_t, at=Py_ssize_t, left=Py_ssize_t, k=Py_ssize_t)
cdef void bring_groups(
    const double *state, Py_ssize_t groups, Py_ssize_t members, Py_ssize_t first, Py_ssize_t count, lane_sums bank
) noexcept nogil

@cython.locals(row=Py_ssize_t, k=Py_ssize_t)
cdef void hand_over(
    const double *bank, Py_ssize_t count, lane_sums coefficients, Py_ssize_t channels, Py_ssize_t first
) noexcept nogil

@cython.locals(
    k=Py_ssize_t, pivot=double, pivot_tail=double, scale=double, scale_tail=double, shift=double, shift_tail=double,
    proper=bint, folded=double
)
cdef void complete_affine(double *bank, Py_ssize_t count) noexcept nogil

@cython.locals(k=Py_ssize_t, n=double, m2=double, m2_tail=double, r=double, t=double)
cdef void find_deviations(double *bank, Py_ssize_t count, double eps, double ddof) noexcept nogil

cdef void open_affine(
    const double *state, Py_ssize_t groups, Py_ssize_t members, const double *gamma, const double *beta, double eps,
    double ddof, Py_ssize_t first, Py_ssize_t count, double *bank
) noexcept nogil

@cython.locals(
    first=Py_ssize_t, count=Py_ssize_t, k=Py_ssize_t, r=double, t=double, a=double, b=double, mean=double,
    tail=double, shift=double
)
cdef void standardize(
    const double *state, Py_ssize_t groups, Py_ssize_t members, const double *gamma, const double *beta, double eps,
    double ddof, double constant, double *coefficients, Py_ssize_t begin, Py_ssize_t end, double *bank
) noexcept nogil

@cython.locals(
    first=Py_ssize_t, count=Py_ssize_t, k=Py_ssize_t, r=double, t=double, a=double, b=double, mean=double,
    tail=double, pivot=double
)
cdef void destandardize(
    const double *state, Py_ssize_t channels, const double *gamma, const double *beta, double eps, double ddof,
    double *coefficients, Py_ssize_t begin, Py_ssize_t end, double *bank
) noexcept nogil

@cython.locals(small=double, large=double, unit=double)
cdef double unit_of(double low, double high, double width) noexcept nogil

@cython.locals(
    k=Py_ssize_t, low=double, low_tail=double, high=double, high_tail=double, start=double, stop=double,
    width=double, factor=double, half=double, increase=double, sloped=bint, lowered=double
)
cdef void complete_intervals(double *bank, Py_ssize_t count, double constant) noexcept nogil

@cython.locals(k=Py_ssize_t, counted=bint)
cdef void bring_extremes(
    const double *count, const double *low, const double *low_tail, const double *high, const double *high_tail,
    Py_ssize_t first, Py_ssize_t some, double *bank
) noexcept nogil

@cython.locals(k=Py_ssize_t)
cdef void rescale_some(
    const double *count, Py_ssize_t channels, const double *low, const double *low_tail, const double *high,
    const double *high_tail, double start, double stop, double least, double constant, double *coefficients,
    Py_ssize_t first, Py_ssize_t some, double *bank
) noexcept nogil

@cython.locals(first=Py_ssize_t, some=Py_ssize_t)
cdef void rescale(
    const double *count, Py_ssize_t channels, const double *low, const double *low_tail, const double *high,
    const double *high_tail, double start, double stop, double least, double constant, double *coefficients,
    double *bank
) noexcept nogil

@cython.locals(k=Py_ssize_t, least=double, greatest=double)
cdef void unscale_some(
    const double *count, Py_ssize_t channels, const double *low, const double *low_tail, const double *high,
    const double *high_tail, double start, double stop, double *coefficients, Py_ssize_t first, Py_ssize_t some,
    double *bank
) noexcept nogil

@cython.locals(first=Py_ssize_t, some=Py_ssize_t)
cdef void unscale(
    const double *count, Py_ssize_t channels, const double *low, const double *low_tail, const double *high,
    const double *high_tail, double start, double stop, double *coefficients, double *bank
) noexcept nogil

cdef double any_number(double v) noexcept nogil

@cython.locals(v=double, _=double)
cdef void update_channel(
    const double *state, Py_ssize_t channels, double keep, double take, double ddof, double *mean, double *var,
    Py_ssize_t c
) noexcept nogil

@cython.locals(c=Py_ssize_t)
cdef void update_running(
    const double *state, Py_ssize_t channels, double keep, double take, double ddof, double *mean, double *var
) noexcept nogil

@cython.locals(
    channels=Py_ssize_t, c=Py_ssize_t, n=double, r=double, u=double, s=double, t=double, q=double, f=double,
    p=double, e=double, a=double, b=double, offset=double, tilt=double, slope=double
)
cdef void differentiate_group(
    const double *sums, const double *state, Py_ssize_t groups, Py_ssize_t members, const double *gamma, double eps,
    double *dgamma, double *dbeta, double *coefficients, Py_ssize_t g
) noexcept nogil

@cython.locals(
    k=Py_ssize_t, n=double, mean=double, tail=double, r=double, u=double, scale=double, a=double, b=double, p=double,
    e=double, s=double, t=double, q=double, f=double, offset=double, tilt=double, along_beta=double,
    along_gamma=double, slope=double
)
cdef void differentiate_channels(
    const double *sums, const double *state, Py_ssize_t channels, const double *gamma, double eps, double *dgamma,
    double *dbeta, double *coefficients, Py_ssize_t first, Py_ssize_t count, double *bank
) noexcept nogil

@cython.locals(first=Py_ssize_t, count=Py_ssize_t, g=Py_ssize_t)
cdef void differentiate(
    const double *sums, const double *state, Py_ssize_t groups, Py_ssize_t members, const double *gamma, double eps,
    double *dgamma, double *dbeta, double *coefficients, Py_ssize_t begin, Py_ssize_t end, double *bank
) noexcept nogil

cdef (double, double) subtracted(
    double s, double t, double q, double f, double r, double u, double n
) noexcept nogil

@cython.locals(v=double, w=double, m=double, o=double)
cdef (double, double, double) of_channel(
    double a, double b, double p, double e, double gamma, double r, double u
) noexcept nogil

cimport cython

# C types of _algebra.py.

@cython.locals(s=double, z=double)
cdef (double, double) two_sum(double a, double b) noexcept nogil

@cython.locals(s=double)
cdef (double, double) fast_two_sum(double a, double b) noexcept nogil

@cython.locals(q=double)
cdef double leading(double v) noexcept nogil

cdef double finite_or_zero(double v) noexcept nogil

@cython.locals(s=double, e=double, t=double, f=double)
cdef (double, double) add(double ah, double al, double bh, double bl) noexcept nogil

@cython.locals(p=double, e=double)
cdef (double, double) multiply(double ah, double al, double b) noexcept nogil

@cython.locals(p=double, e=double)
cdef (double, double) multiply_words(double ah, double al, double bh, double bl) noexcept nogil

@cython.locals(q=double, p=double, e=double, r=double, t=double, c=double, s=double)
cdef (double, double) divide(double ah, double al, double b) noexcept nogil

@cython.locals(q=double, p=double, e=double, r=double, t=double, c=double, s=double)
cdef (double, double) divide_words(double ah, double al, double bh, double bl) noexcept nogil

@cython.locals(lift=double, drop=double, s=double, p=double, e=double, c=double, t=double)
cdef (double, double) root(double ah, double al) noexcept nogil

cdef double range_scale(double magnitude) noexcept nogil

@cython.locals(n=double, _=double, m=double, t=double, s=double, r=double)
cdef (double, double, double, double, double) merge(
    double na, double ah, double al, double sh, double sl, double nb, double bh, double bl, double th, double tl
) noexcept nogil

@cython.locals(
    n=double, rest=double, scale=double, dh=double, dl=double, gh=double, gl=double, mh=double, m_tail=double,
    ph=double, pl=double, qh=double, ql=double, plain_mean=double, plain_m2=double, regular=bint, bounded=bint,
)
cdef (double, double, double, double, double, double) merge_weighted(
    double na, double nl, double ah, double al, double sh, double sl, double nb, double ml, double bh, double bl,
    double th, double tl
) noexcept nogil

@cython.locals(free=double)
cdef (double, double) variance(double n, double sh, double sl, double ddof) noexcept nogil

cdef double affine(
    double head, double tail, double pivot, double pivot_tail, double scale, double scale_tail, double shift,
    double shift_tail, double folded, double _unused
) noexcept nogil

@cython.locals(t=double, te=double, p=double, pe=double, s=double, e=double)
cdef double affine_words(
    double head, double tail, double pivot, double pivot_tail, double scale, double scale_tail, double shift,
    double shift_tail, double _unused, double _unused_too
) noexcept nogil

@cython.locals(t=double, te=double, r=double, re=double, e=double)
cdef double affine_wide(
    double head, double tail, double pivot, double pivot_tail, double scale, double scale_tail, double shift,
    double shift_tail, double _unused, double _unused_too
) noexcept nogil

@cython.locals(v=double)
cdef double gradient(
    double x, double dy, double mean, double mean_tail, double slope, double tilt, double offset, double _unused,
    double _unused_too, double _unused_as_well
) noexcept nogil

@cython.locals(t=double, e=double, r=double)
cdef double apart(double low, double low_tail, double high, double high_tail) noexcept nogil

@cython.locals(left=double, distance=double, step=double, above=double, below=double)
cdef double from_nearer_end(
    double gone, double width, double slope, double start, double stop, double least
) noexcept nogil

cdef double rescale(
    double head, double tail, double low, double low_tail, double factor, double width, double slope, double start,
    double stop, double least
) noexcept nogil

cdef double rescale_wide(
    double head, double tail, double low, double low_tail, double factor, double width, double slope, double start,
    double stop, double least
) noexcept nogil

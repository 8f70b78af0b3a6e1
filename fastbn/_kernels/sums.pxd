cimport cython

# C types of sums.py; `number` is the dtype of the data.

@cython.locals(r=double, t=double)
cdef (double, double, double) add_words(double a, double b, double c, double d, double e, double f) noexcept nogil

@cython.locals(j=Py_ssize_t, a=double, b=double, c=double)
cdef void join_words(double *banks, Py_ssize_t row, Py_ssize_t count) noexcept nogil

@cython.locals(j=Py_ssize_t, k=Py_ssize_t, n=double, s=double, c=double, p=double, e=double)
cdef void split_terms(const double *words, Py_ssize_t slots, double *terms) noexcept nogil

@cython.locals(k=Py_ssize_t, j=Py_ssize_t, a=double, e=double)
cdef void sweep(Py_ssize_t slots, double *terms) noexcept nogil

@cython.locals(
    _=Py_ssize_t, j=Py_ssize_t, k=Py_ssize_t, rest=double, a=double, e=double, n=double, count=double, special=double, scale=double,
    v=double, r=double, s=double, c=double, t=double, m=double, pivot=double, p=double,
)
cdef void finish(double *words, Py_ssize_t slots, double *terms) noexcept nogil

@cython.locals(magnitude=double)
cdef bint healthy(double s, number least, number greatest) noexcept nogil

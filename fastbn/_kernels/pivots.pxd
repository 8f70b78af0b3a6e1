cimport cython

# C types of pivots.py; `number` is the dtype of the data.

cdef double pivot_none(number least, number greatest) noexcept nogil

@cython.locals(low=double, high=double)
cdef double pivot_near(number least, number greatest) noexcept nogil

cdef double pivot_least(number least, number greatest) noexcept nogil
cdef double pivot_least_tail(number least, number greatest) noexcept nogil
cdef double largest(number least, number greatest, double pivot) noexcept nogil
cdef number nearest_unknown(number v, number near) noexcept nogil
cdef bint sure_always(number nearest, double span) noexcept nogil
cdef bint sure_single(number nearest, double span) noexcept nogil
cdef bint sure_double(number nearest, double span) noexcept nogil
cdef double start_none(double span) noexcept nogil
cdef double start_above(double span) noexcept nogil
cdef double bias_narrow(double span) noexcept nogil
cdef double bias_above(double span) noexcept nogil

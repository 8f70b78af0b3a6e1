cimport cython
from libc.stdint cimport int64_t

# C types of floors.py; `number` is the dtype of the data.

cdef double floor_none(double span) noexcept nogil
cdef double floor_single_quick(double span) noexcept nogil
cdef double floor_single_careful(double span) noexcept nogil
cdef double floor_double_quick(double span) noexcept nogil
cdef double floor_double_careful(double span) noexcept nogil

cdef bint stray_never(number v, double floor) noexcept nogil

@cython.locals(b=int64_t)
cdef bint stray_below(number v, double floor) noexcept nogil

cdef double values_none(double span, bint quick) noexcept nogil
cdef double values_single(double span, bint quick) noexcept nogil
cdef double values_double(double span, bint quick) noexcept nogil
cdef double values_wide(double span, bint quick) noexcept nogil
cdef double squares_integer(double span) noexcept nogil
cdef double squares_wide(double span) noexcept nogil
cdef double rest_none(double squares) noexcept nogil
cdef double rest_double(double squares) noexcept nogil
cdef double rest_wide(double squares) noexcept nogil
cdef double carry_careful(double start, bint quick) noexcept nogil
cdef double carry_always(double start, bint quick) noexcept nogil

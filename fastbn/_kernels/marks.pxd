# C types of marks.py; `number` is the dtype of the data.

cdef bint absent_nan(number v, number w) noexcept nogil
cdef bint absent_marked(number v, number w) noexcept nogil
cdef bint absent_never(number v, number w) noexcept nogil
cdef number filler_zero(number least, number greatest) noexcept nogil
cdef number filler_least(number least, number greatest) noexcept nogil
cdef void vacate_floats(number *ends, Py_ssize_t j) noexcept nogil
cdef void vacate_integers(number *ends, Py_ssize_t j) noexcept nogil

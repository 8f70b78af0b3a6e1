# C types of operands.py; `number` is the dtype of the data.

cdef double head_plain(number v) noexcept nogil
cdef double tail_plain(number v) noexcept nogil
cdef double head_wide(number v) noexcept nogil
cdef double tail_wide(number v) noexcept nogil

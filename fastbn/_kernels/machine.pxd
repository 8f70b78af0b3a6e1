cimport cython

# C types of the functions of machine.py that are not taken as expressions; `number` is the dtype of the data.

cdef number nearer(number v, number near) noexcept nogil

cdef double multiply_add(double a, double b, double c) noexcept nogil

@cython.locals(p=double)
cdef (double, double) two_prod(double a, double b) noexcept nogil

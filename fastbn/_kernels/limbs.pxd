cimport cython
from libc.stdint cimport int64_t

# C types of limbs.py; `number` is the dtype of the data.

@cython.locals(shift=int64_t, low=int64_t, high=int64_t, w=Py_ssize_t)
cdef void deposit(
    int64_t *state, Py_ssize_t at, Py_ssize_t channels, int64_t size, int64_t p, int64_t sign
) noexcept nogil

@cython.locals(b=int64_t, e=int64_t, m=int64_t)
cdef void deposit_float(
    int64_t *state, Py_ssize_t at, Py_ssize_t channels, double v, int64_t offset
) noexcept nogil

@cython.locals(b=int64_t, e=int64_t, m=int64_t)
cdef void deposit_value(int64_t *state, Py_ssize_t at, Py_ssize_t channels, number v) noexcept nogil

@cython.locals(
    upper=int64_t, lower=int64_t, mixed=int64_t, first=int64_t, second=int64_t, to=Py_ssize_t
)
cdef void deposit_product(
    int64_t *state, Py_ssize_t at, Py_ssize_t channels, int64_t m, int64_t k, int64_t sign
) noexcept nogil

@cython.locals(row=Py_ssize_t, k=Py_ssize_t, v=int64_t)
cdef void carry(int64_t *state, Py_ssize_t at, Py_ssize_t channels, Py_ssize_t count) noexcept nogil

@cython.locals(row=Py_ssize_t, k=Py_ssize_t)
cdef void join_limbs(
    int64_t *into, Py_ssize_t i, Py_ssize_t i_row, const int64_t *part, Py_ssize_t j, Py_ssize_t j_row,
    Py_ssize_t count, double *banks
) noexcept nogil

cdef void close_limbs(
    int64_t *state, Py_ssize_t channels, Py_ssize_t begin, Py_ssize_t end, double *words, double *terms
) noexcept nogil

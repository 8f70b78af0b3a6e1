# cython: language_level=3, freethreading_compatible=True
"""Calls of compiled kernels by their address, and what the processor can do.

One function per kind of entry. Arguments are NumPy arrays of one contiguous dimension, described in ``_kernels``; they
are taken through the buffer protocol, so that neither NumPy's headers nor its ABI matter, read-only ones as well. The
GIL is released while a kernel runs. Who calls keeps the arrays alive and sees to sizes and dtypes.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t

cdef extern from "processor.h" nogil:
    int has_v3 "fastbn_has_v3"() noexcept
    int has_v4 "fastbn_has_v4"() noexcept

ctypedef void (*walk_kernel)(
    const void *, const void *, const int64_t *, Py_ssize_t, Py_ssize_t, void *, void *, void *, double *, void *
) noexcept nogil
ctypedef void (*combine_kernel)(
    void *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, void *, void *, double *
) noexcept nogil
ctypedef void (*absorb_kernel)(
    void *, const void *, Py_ssize_t, void *, void *, const void *, const void *, double *
) noexcept nogil
ctypedef void (*conclude_kernel)(
    void *, Py_ssize_t, Py_ssize_t, Py_ssize_t, void *, void *, double *
) noexcept nogil
ctypedef void (*map_kernel)(
    void *, void *, const int64_t *, void *, const int64_t *, const double *, Py_ssize_t, Py_ssize_t, double *
) noexcept nogil
ctypedef void (*standardize_kernel)(
    const double *, Py_ssize_t, Py_ssize_t, const double *, const double *, double, double, double, double *,
    Py_ssize_t, Py_ssize_t, double *
) noexcept nogil
ctypedef void (*destandardize_kernel)(
    const double *, Py_ssize_t, const double *, const double *, double, double, double *, Py_ssize_t, Py_ssize_t,
    double *
) noexcept nogil
ctypedef void (*rescale_kernel)(
    const double *, Py_ssize_t, const double *, const double *, const double *, const double *, double, double,
    double, double, double *, double *
) noexcept nogil
ctypedef void (*unscale_kernel)(
    const double *, Py_ssize_t, const double *, const double *, const double *, const double *, double, double,
    double *, double *
) noexcept nogil
ctypedef void (*update_running_kernel)(
    const double *, Py_ssize_t, double, double, double, double *, double *
) noexcept nogil
ctypedef void (*convert_kernel)(const void *, void *, Py_ssize_t) noexcept nogil
ctypedef void (*differentiate_kernel)(
    const double *, const double *, Py_ssize_t, Py_ssize_t, const double *, double, double *, double *, double *,
    Py_ssize_t, Py_ssize_t, double *
) noexcept nogil


def variants():
    """Names of the instruction-set variants this processor runs, the least first."""
    found = ["base"]
    if has_v3():
        found.append("v3")
    if has_v4():
        found.append("v4")
    return found


cdef void *memory(object array) except NULL:
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    cdef void *start = view.buf
    PyBuffer_Release(&view)
    return start


def walk(
    size_t kernel, x, y, geometry, Py_ssize_t begin, Py_ssize_t end, partials, least, greatest, scratch, ends
):
    cdef const void *x_ = memory(x)
    cdef const void *y_ = memory(y)
    cdef const int64_t *geometry_ = <const int64_t *>memory(geometry)
    cdef void *partials_ = memory(partials)
    cdef void *least_ = memory(least)
    cdef void *greatest_ = memory(greatest)
    cdef double *scratch_ = <double *>memory(scratch)
    cdef void *ends_ = memory(ends)
    with nogil:
        (<walk_kernel>kernel)(x_, y_, geometry_, begin, end, partials_, least_, greatest_, scratch_, ends_)


def combine(
    size_t kernel, partials, Py_ssize_t segments, Py_ssize_t channels, Py_ssize_t begin, Py_ssize_t end, least,
    greatest, scratch
):
    cdef void *partials_ = memory(partials)
    cdef void *least_ = memory(least)
    cdef void *greatest_ = memory(greatest)
    cdef double *scratch_ = <double *>memory(scratch)
    with nogil:
        (<combine_kernel>kernel)(partials_, segments, channels, begin, end, least_, greatest_, scratch_)


def absorb(size_t kernel, partials, part, Py_ssize_t channels, least, greatest, low, high, scratch):
    cdef void *partials_ = memory(partials)
    cdef const void *part_ = memory(part)
    cdef void *least_ = memory(least)
    cdef void *greatest_ = memory(greatest)
    cdef const void *low_ = memory(low)
    cdef const void *high_ = memory(high)
    cdef double *scratch_ = <double *>memory(scratch)
    with nogil:
        (<absorb_kernel>kernel)(partials_, part_, channels, least_, greatest_, low_, high_, scratch_)


def conclude(
    size_t kernel, partials, Py_ssize_t channels, Py_ssize_t begin, Py_ssize_t end, least, greatest, scratch
):
    cdef void *partials_ = memory(partials)
    cdef void *least_ = memory(least)
    cdef void *greatest_ = memory(greatest)
    cdef double *scratch_ = <double *>memory(scratch)
    with nogil:
        (<conclude_kernel>kernel)(partials_, channels, begin, end, least_, greatest_, scratch_)


def map_units(
    size_t kernel, x, y, geometry, out, out_geometry, coefficients, Py_ssize_t begin, Py_ssize_t end, expanded
):
    cdef void *x_ = memory(x)
    cdef void *y_ = memory(y)
    cdef const int64_t *geometry_ = <const int64_t *>memory(geometry)
    cdef void *out_ = memory(out)
    cdef const int64_t *out_geometry_ = <const int64_t *>memory(out_geometry)
    cdef const double *coefficients_ = <const double *>memory(coefficients)
    cdef double *expanded_ = <double *>memory(expanded)
    with nogil:
        (<map_kernel>kernel)(x_, y_, geometry_, out_, out_geometry_, coefficients_, begin, end, expanded_)


def standardize(
    size_t kernel, state, Py_ssize_t groups, Py_ssize_t members, gamma, beta, double eps, double ddof,
    double constant, coefficients, Py_ssize_t begin, Py_ssize_t end, bank
):
    cdef const double *state_ = <const double *>memory(state)
    cdef const double *gamma_ = <const double *>memory(gamma)
    cdef const double *beta_ = <const double *>memory(beta)
    cdef double *coefficients_ = <double *>memory(coefficients)
    cdef double *bank_ = <double *>memory(bank)
    with nogil:
        (<standardize_kernel>kernel)(
            state_, groups, members, gamma_, beta_, eps, ddof, constant, coefficients_, begin, end, bank_
        )


def destandardize(
    size_t kernel, state, Py_ssize_t channels, gamma, beta, double eps, double ddof, coefficients, Py_ssize_t begin,
    Py_ssize_t end, bank
):
    cdef const double *state_ = <const double *>memory(state)
    cdef const double *gamma_ = <const double *>memory(gamma)
    cdef const double *beta_ = <const double *>memory(beta)
    cdef double *coefficients_ = <double *>memory(coefficients)
    cdef double *bank_ = <double *>memory(bank)
    with nogil:
        (<destandardize_kernel>kernel)(state_, channels, gamma_, beta_, eps, ddof, coefficients_, begin, end, bank_)


def rescale(
    size_t kernel, count, Py_ssize_t channels, low, low_tail, high, high_tail, double start, double stop,
    double least, double constant, coefficients, bank
):
    cdef const double *count_ = <const double *>memory(count)
    cdef const double *low_ = <const double *>memory(low)
    cdef const double *low_tail_ = <const double *>memory(low_tail)
    cdef const double *high_ = <const double *>memory(high)
    cdef const double *high_tail_ = <const double *>memory(high_tail)
    cdef double *coefficients_ = <double *>memory(coefficients)
    cdef double *bank_ = <double *>memory(bank)
    with nogil:
        (<rescale_kernel>kernel)(
            count_, channels, low_, low_tail_, high_, high_tail_, start, stop, least, constant, coefficients_, bank_
        )


def unscale(
    size_t kernel, count, Py_ssize_t channels, low, low_tail, high, high_tail, double start, double stop,
    coefficients, bank
):
    cdef const double *count_ = <const double *>memory(count)
    cdef const double *low_ = <const double *>memory(low)
    cdef const double *low_tail_ = <const double *>memory(low_tail)
    cdef const double *high_ = <const double *>memory(high)
    cdef const double *high_tail_ = <const double *>memory(high_tail)
    cdef double *coefficients_ = <double *>memory(coefficients)
    cdef double *bank_ = <double *>memory(bank)
    with nogil:
        (<unscale_kernel>kernel)(
            count_, channels, low_, low_tail_, high_, high_tail_, start, stop, coefficients_, bank_
        )


def widen(size_t kernel, halves, bits, Py_ssize_t count):
    cdef const void *halves_ = memory(halves)
    cdef void *bits_ = memory(bits)
    with nogil:
        (<convert_kernel>kernel)(halves_, bits_, count)


def narrow(size_t kernel, values, halves, Py_ssize_t count):
    cdef const void *values_ = memory(values)
    cdef void *halves_ = memory(halves)
    with nogil:
        (<convert_kernel>kernel)(values_, halves_, count)


def update_running(size_t kernel, state, Py_ssize_t channels, double keep, double take, double ddof, mean, var):
    cdef const double *state_ = <const double *>memory(state)
    cdef double *mean_ = <double *>memory(mean)
    cdef double *var_ = <double *>memory(var)
    with nogil:
        (<update_running_kernel>kernel)(state_, channels, keep, take, ddof, mean_, var_)


def differentiate(
    size_t kernel, sums, state, Py_ssize_t groups, Py_ssize_t members, gamma, double eps, dgamma, dbeta,
    coefficients, Py_ssize_t begin, Py_ssize_t end, bank
):
    cdef const double *sums_ = <const double *>memory(sums)
    cdef const double *state_ = <const double *>memory(state)
    cdef const double *gamma_ = <const double *>memory(gamma)
    cdef double *dgamma_ = <double *>memory(dgamma)
    cdef double *dbeta_ = <double *>memory(dbeta)
    cdef double *coefficients_ = <double *>memory(coefficients)
    cdef double *bank_ = <double *>memory(bank)
    with nogil:
        (<differentiate_kernel>kernel)(
            sums_, state_, groups, members, gamma_, eps, dgamma_, dbeta_, coefficients_, begin, end, bank_
        )

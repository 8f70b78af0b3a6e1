/* The operations of _kernels/machine.py for C compilers.

   multiply_add is rounded once. With FMA in the instruction set it is one instruction; without it, C's fma does it,
   in the C library. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define FASTBN_PREFETCH(p) __builtin_prefetch(p, 0, 2)
#elif defined(_M_X64)
#include <immintrin.h>
#define FASTBN_PREFETCH(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)
#else
#define FASTBN_PREFETCH(p) ((void)(p))
#endif

#define FASTBN_LINE 64

static inline void fastbn_prefetch(const void *start, ptrdiff_t size)
{
    for (ptrdiff_t k = 0; k < size; k += FASTBN_LINE)
        FASTBN_PREFETCH((const char *)start + k);
}

static inline double fastbn_multiply_add(double a, double b, double c)
{
    return fma(a, b, c);
}

/* Compared as integers, in which floats of one sign are ordered; 0 less 1 is the largest of them. */

static inline float fastbn_nearer_float(float v, float near)
{
    uint32_t a, b;
    memcpy(&a, &v, sizeof a);
    memcpy(&b, &near, sizeof b);
    a = (a & UINT32_C(0x7fffffff)) - 1;
    b = (b & UINT32_C(0x7fffffff)) - 1;
    a = (a < b ? a : b) + 1;
    memcpy(&v, &a, sizeof a);
    return v;
}

static inline double fastbn_nearer_double(double v, double near)
{
    uint64_t a, b;
    memcpy(&a, &v, sizeof a);
    memcpy(&b, &near, sizeof b);
    a = (a & UINT64_C(0x7fffffffffffffff)) - 1;
    b = (b & UINT64_C(0x7fffffffffffffff)) - 1;
    a = (a < b ? a : b) + 1;
    memcpy(&v, &a, sizeof a);
    return v;
}

/* The operations of _kernels/machine.py for C compilers.

   multiply_add is rounded once: one instruction where the instruction set has it. Where it has not, C's fma took 360 ns
   in the C library, so it is put together from other operations, and C's is left for what these cannot do. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__i386__) && !defined(__SSE2_MATH__)
#error "x87 arithmetic rounds twice: the results would not be right"
#endif

#if defined(__GNUC__)
#define FASTBN_PREFETCH(p) __builtin_prefetch(p, 0, 2)
#elif defined(_M_X64)
#include <immintrin.h>
#define FASTBN_PREFETCH(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)
#else
#define FASTBN_PREFETCH(p) ((void)(p))
#endif

#define FASTBN_RESTRICT __restrict
#define FASTBN_LINE 64

static inline void fastbn_prefetch(const void *start, ptrdiff_t size)
{
    for (ptrdiff_t k = 0; k < size; k += FASTBN_LINE)
        FASTBN_PREFETCH((const char *)start + k);
}

#if defined(__FP_FAST_FMA) || defined(__FMA__) || defined(__AVX2__)

static inline double fastbn_multiply_add(double a, double b, double c)
{
    return fma(a, b, c);
}

#else

/* The same bits by Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding
   to odd", 2008: a*b and c as two exact sums, their low parts added with rounding to odd. Within the range below no
   part of a product over- or underflows. */

static inline void fastbn_two_sum(double a, double b, double *s, double *e)
{
    *s = a + b;
    const double z = *s - a;
    *e = (a - (*s - z)) + (b - z);
}

static inline double fastbn_multiply_add(double a, double b, double c)
{
    const double p = a * b;
    if (!(fabs(a) < 0x1p990 && fabs(b) < 0x1p990 && fabs(c) < 0x1p1000))
        return fma(a, b, c);
    if (a == 0.0 || b == 0.0)
        return p + c;
    if (!(fabs(p) > 0x1p-900 && fabs(p) < 0x1p1000))
        return fma(a, b, c);
    const double splitter = 134217729.0; /* 2^27 + 1 */
    const double ta = splitter * a, tb = splitter * b;
    const double ah = ta - (ta - a), bh = tb - (tb - b);
    const double al = a - ah, bl = b - bh;
    const double e = ((ah * bh - p) + ah * bl + al * bh) + al * bl;
    if (e == 0.0) /* squares of float32 always */
        return p + c;
    double th, tl, vh, vl, odd, rest;
    fastbn_two_sum(c, e, &th, &tl);
    fastbn_two_sum(p, th, &vh, &vl);
    fastbn_two_sum(tl, vl, &odd, &rest);
    if (rest != 0.0) {
        int64_t bits;
        memcpy(&bits, &odd, sizeof bits);
        if ((bits & 1) == 0)
            bits += (rest > 0.0) == (odd > 0.0) ? 1 : -1;
        memcpy(&odd, &bits, sizeof odd);
    }
    return vh + odd;
}

#endif

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

static inline int64_t fastbn_pattern_double(double v)
{
    int64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static inline int32_t fastbn_single_pattern(float v)
{
    int32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static inline int64_t fastbn_pattern_float(float v)
{
    return fastbn_single_pattern(v);
}

static inline double fastbn_of_sum_pattern(int64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline float fastbn_of_pattern(int32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline int64_t fastbn_whole(double v)
{
    return (int64_t)v;
}

/* float16, given as bits, to and from float64, eight at a time: how many were converted. What is left, or all of them,
   is for the formulas of _kernels/halves.py, and so are the reasons for what is done here. */

#if defined(__AVX2__) && (defined(__F16C__) || defined(_MSC_VER))

#include <immintrin.h>

static inline ptrdiff_t fastbn_widened(const int16_t *halves, double *row, ptrdiff_t count)
{
    ptrdiff_t k = 0;
    for (; k + 8 <= count; k += 8) {
        const __m256 v = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(halves + k)));
        _mm256_storeu_pd(row + k, _mm256_cvtps_pd(_mm256_castps256_ps128(v)));
        _mm256_storeu_pd(row + k + 4, _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)));
    }
    return k;
}

static inline __m128 fastbn_odd(const double *row)
{
    const __m256i more = _mm256_set1_epi64x((1 << 29) - 1);
    const __m256i wide = _mm256_loadu_si256((const __m256i *)row);
    const __m256i cut = _mm256_or_si256(wide, _mm256_add_epi64(_mm256_and_si256(wide, more), more));
    return _mm256_cvtpd_ps(_mm256_castsi256_pd(_mm256_andnot_si256(more, cut)));
}

static inline ptrdiff_t fastbn_narrowed(const double *row, int16_t *halves, ptrdiff_t count)
{
    const __m128i sign = _mm_set1_epi16(INT16_MIN), quiet = _mm_set1_epi16(0x7e00);
    ptrdiff_t k = 0;
    for (; k + 8 <= count; k += 8) {
        const __m256 v = _mm256_insertf128_ps(_mm256_castps128_ps256(fastbn_odd(row + k)), fastbn_odd(row + k + 4), 1);
        const __m128i bits = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
        const __m256i nans = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
        const __m128i nan = _mm_packs_epi32(_mm256_castsi256_si128(nans), _mm256_extractf128_si256(nans, 1));
        const __m128i one = _mm_or_si128(_mm_and_si128(bits, sign), quiet);
        _mm_storeu_si128((__m128i *)(halves + k), _mm_blendv_epi8(bits, one, nan));
    }
    return k;
}

#else

static inline ptrdiff_t fastbn_widened(const int16_t *halves, double *row, ptrdiff_t count)
{
    (void)halves, (void)row, (void)count;
    return 0;
}

static inline ptrdiff_t fastbn_narrowed(const double *row, int16_t *halves, ptrdiff_t count)
{
    (void)row, (void)halves, (void)count;
    return 0;
}

#endif

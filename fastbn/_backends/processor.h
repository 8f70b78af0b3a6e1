/* Which instruction-set variants of the kernels this processor, and its operating system, can run. Each asks for
   exactly the extensions that setup.py compiles the variant for. */

#if defined(__x86_64__) && defined(__GNUC__)

#include <cpuid.h>

static int fastbn_has_v3(void)
{
    unsigned a, b, c, d;
    __builtin_cpu_init();
    /* GCC before 11 does not know "f16c" as a name. */
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __get_cpuid(1, &a, &b, &c, &d) &&
           (c & bit_F16C) != 0;
}

static int fastbn_has_v4(void)
{
    return fastbn_has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

#elif defined(_M_X64) && defined(_MSC_VER)

#include <immintrin.h>
#include <intrin.h>

static int fastbn_has_v3(void)
{
    int leaf[4];
    __cpuid(leaf, 0);
    if (leaf[0] < 7)
        return 0;
    __cpuid(leaf, 1);
    const int needed = 1 << 12 | 1 << 27 | 1 << 28 | 1 << 29; /* FMA, OSXSAVE, AVX, F16C */
    if ((leaf[2] & needed) != needed || (_xgetbv(0) & 6) != 6)
        return 0;
    __cpuidex(leaf, 7, 0);
    return (leaf[1] & (1 << 5)) != 0; /* AVX2 */
}

static int fastbn_has_v4(void)
{
    return 0; /* not built there */
}

#else

static int fastbn_has_v3(void)
{
    return 0;
}

static int fastbn_has_v4(void)
{
    return 0;
}

#endif

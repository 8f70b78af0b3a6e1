/* The control register of the calling thread's floating-point unit: how it rounds, and what it does with subnormals. */

#if defined(__x86_64__) || defined(__i386__)

#include <xmmintrin.h>

unsigned long long control(void)
{
    return _mm_getcsr() & ~0x3fu; /* without the flags of what has happened */
}

void set_control(unsigned long long value)
{
    _mm_setcsr((unsigned)value);
}

#elif defined(__aarch64__)

unsigned long long control(void)
{
    unsigned long long value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return value;
}

void set_control(unsigned long long value)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(value));
}

#endif

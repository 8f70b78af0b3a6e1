/* Memory for NumPy's arrays that ends, or begins, at a page which cannot be touched.

   "end":    [first page: size, kept bytes][array   ][page that cannot be touched]
   "start":  [first page: size][page that cannot be touched][array   ]

   What lies between the first page and an array that ends at a page is filled, and must be as it was when the array is
   freed. Memory of arrays that are freed is given back, so that it cannot be touched any more either. */

#define _GNU_SOURCE

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FILLING = 0xA5 };

struct head {
    size_t size;   /* of the array */
    size_t mapped; /* of all pages */
};

static size_t page;
static int at_start;
static _Atomic size_t arrays;

static size_t pages_of(size_t size)
{
    return size == 0 ? page : (size + page - 1) / page * page;
}

/* Pages before those of the array. */
static size_t before(void)
{
    return at_start ? 2 * page : page;
}

static struct head *head_of(void *array)
{
    return (struct head *)(((uintptr_t)array & ~(uintptr_t)(page - 1)) - before());
}

static void *take(void *context, size_t size)
{
    (void)context;
    if (size > SIZE_MAX - 4 * page)
        return NULL;
    const size_t room = pages_of(size), mapped = before() + room + (at_start ? 0 : page);
    char *start = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    if (mprotect(at_start ? start + page : start + mapped - page, page, PROT_NONE)) {
        munmap(start, mapped);
        return NULL;
    }
    *(struct head *)start = (struct head){size, mapped};
    arrays++;
    if (at_start)
        return start + before();
    memset(start + page, FILLING, room - size);
    return start + page + room - size;
}

static void *take_zeros(void *context, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return take(context, bytes); /* pages are zeros at first */
}

static void give_back(void *context, void *array, size_t size)
{
    (void)context, (void)size;
    if (array == NULL)
        return;
    struct head *head = head_of(array);
    if (!at_start) {
        for (unsigned char *p = (unsigned char *)head + page; p < (unsigned char *)array; p++) {
            if (*p != FILLING) {
                fprintf(stderr, "something was written %td bytes before an array\n", (unsigned char *)array - p);
                abort();
            }
        }
    }
    munmap(head, head->mapped);
}

static void *take_again(void *context, void *array, size_t size)
{
    void *other = take(context, size);
    if (other != NULL && array != NULL) {
        const size_t old = head_of(array)->size;
        memcpy(other, array, old < size ? old : size);
        give_back(context, array, old);
    }
    return other;
}

/* As NumPy has it (numpy/ndarraytypes.h). */
struct handler {
    char name[127];
    uint8_t version;
    void *context;
    void *(*malloc)(void *, size_t);
    void *(*calloc)(void *, size_t, size_t);
    void *(*realloc)(void *, void *, size_t);
    void (*free)(void *, void *, size_t);
};

static struct handler handler = {"guard pages", 1, NULL, take, take_zeros, take_again, give_back};

struct handler *guards(int start)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    at_start = start;
    return &handler;
}

size_t guarded_arrays(void)
{
    return arrays;
}

/* Calls each function of musl that allocates or frees, 100 times, and says what came of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void is(const char *what, void *block, size_t size, size_t alignment) {
    int holds = malloc_usable_size(block) >= size && (uintptr_t)block % alignment == 0;
    if (!holds)
        printf("%s is wrong\n", what);
    memset(block, 1, size);
    free(block);
}

int main(void) {
    for (size_t i = 1; i <= 100; i++) {
        is("malloc", malloc(i), i, 16);
        unsigned char *clear = calloc(i, 1000);
        for (size_t at = 0; at < i * 1000; at++)
            if (clear[at])
                return 1;
        is("calloc", clear, i * 1000, 16);
        is("realloc", realloc(malloc(i), 100 * i), 100 * i, 16);
        is("reallocarray", reallocarray(NULL, i, 10), 10 * i, 16);
        is("aligned_alloc", aligned_alloc(256, 256 * i), 256 * i, 256);
        is("memalign", memalign(128, i), i, 128);
        is("valloc", valloc(i), i, 4096);
        void *block;
        if (posix_memalign(&block, 64, i))
            return 1;
        is("posix_memalign", block, i, 64);
        is("strdup", strdup("a string"), 9, 1);
    }
    errno = 0;
    void *none = calloc(SIZE_MAX / 2, 3);
    printf("%d %d %d\n", none == NULL, errno == ENOMEM, posix_memalign(&none, 3, 8) == EINVAL);
    return 0;
}

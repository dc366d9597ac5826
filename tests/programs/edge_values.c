/* What allocation functions answer to odd arguments, line by line: result, errno, whether the block is aligned and can
 * be used. The same with libtm.so and without it. `edge_values [common]`, where "common" leaves out what crashes
 * allocators other than glibc's: pvalloc, alignments that are no power of two. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The compiler knows what some of these answer; it must not see what is asked. */
static volatile size_t sizes[] = {0, 1, 7, 24, 25, 4095, 1 << 20, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 4096, SIZE_MAX};
static volatile size_t alignments[] = {0, 1, 2, 3, 4, 7, 8, 12, 16, 24, 32, 63, 64, 4096, 1 << 21, SIZE_MAX / 2 + 1, SIZE_MAX};
enum { N_SIZES = sizeof sizes / sizeof *sizes, N_ALIGNMENTS = sizeof alignments / sizeof *alignments, UNTOUCHED = 77 };

static void *(*volatile allocate)(size_t) = malloc;
static void *(*volatile clear_allocate)(size_t, size_t) = calloc;
static void *(*volatile reallocate)(void *, size_t) = realloc;
static void *(*volatile reallocate_array)(void *, size_t, size_t) = reallocarray;
static void *(*volatile aligned)(size_t, size_t) = aligned_alloc;
static void *(*volatile mem_aligned)(size_t, size_t) = memalign;
static int (*volatile posix_aligned)(void **, size_t, size_t) = posix_memalign;
static void *(*volatile page_aligned)(size_t) = valloc;
static void *(*volatile page_sized)(size_t) = pvalloc;

static int only_common;

/* Says what came of a call, and gives the block back. */
static void say(const char *what, size_t a, size_t b, size_t alignment, void *block) {
    int error = errno;
    printf("%s(%zx, %zx): ", what, a, b);
    if (!block) {
        printf("NULL");
    } else {
        int is_aligned = alignment && (alignment & (alignment - 1)) == 0 ? (uintptr_t)block % alignment == 0 : 2;
        memset(block, 1, malloc_usable_size(block) < 5000 ? malloc_usable_size(block) : 5000);
        printf("aligned %d", is_aligned);
        /* That of a block with a mapping of its own depends on the address. */
        if (malloc_usable_size(block) < 4096)
            printf(", usable %zx", malloc_usable_size(block));
    }
    printf(", errno %d\n", error);
    errno = UNTOUCHED;
    free(block);
    printf("  free leaves errno %d\n", errno);
}

static void plain(size_t size) {
    errno = UNTOUCHED, say("malloc", size, 0, 8, allocate(size));
    errno = UNTOUCHED, say("realloc of NULL", size, 0, 8, reallocate(NULL, size));
    errno = UNTOUCHED, say("valloc", size, 0, 4096, page_aligned(size));
    if (!only_common)
        errno = UNTOUCHED, say("pvalloc", size, 0, 4096, page_sized(size));
    for (int i = 0; i < N_SIZES; i++) {
        errno = UNTOUCHED, say("calloc", size, sizes[i], 8, clear_allocate(size, sizes[i] > 4096 && size > 4096 ? SIZE_MAX : sizes[i]));
        errno = UNTOUCHED, say("reallocarray", size, sizes[i], 8, reallocate_array(NULL, size, sizes[i]));
    }
    for (int i = 0; i < N_ALIGNMENTS; i++) {
        size_t alignment = alignments[i];
        if (only_common && (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > 4096))
            continue;
        errno = UNTOUCHED, say("aligned_alloc", alignment, size, alignment, aligned(alignment, size));
        errno = UNTOUCHED, say("memalign", alignment, size, 1, mem_aligned(alignment, size));
        void *block = NULL;
        errno = UNTOUCHED;
        int result = posix_aligned(&block, alignment, size);
        printf("posix_memalign returns %d\n", result);
        say("posix_memalign", alignment, size, alignment, block);
    }
}

/* A failed reallocation leaves the block and its content; one to nothing frees it where the C library does so. */
static void of_a_block(size_t size) {
    for (int by_array = 0; by_array < 2; by_array++) {
        char *block = allocate(100);
        strcpy(block, "content");
        errno = UNTOUCHED;
        char *fresh = by_array ? reallocate_array(block, size, 1) : reallocate(block, size);
        int error = errno;
        int kept = fresh ? size < 8 || strcmp(fresh, "content") == 0 : size == 0 || strcmp(block, "content") == 0;
        printf("realloc %d to %zx: %s, content %d, errno %d\n", by_array, size, fresh ? "block" : "NULL", kept, error);
        if (fresh || size)
            free(fresh ? fresh : block);
    }
    char *block = allocate(100);
    errno = UNTOUCHED;
    void *overflowed = reallocate_array(block, SIZE_MAX / 2, 3);
    printf("reallocarray that overflows: %d, errno %d\n", overflowed != NULL, errno);
    free(block);
}

int main(int argc, char **argv) {
    only_common = argc > 1 && strcmp(argv[1], "common") == 0;
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    for (int i = 0; i < N_SIZES; i++) {
        plain(sizes[i]);
        of_a_block(sizes[i]);
    }
    errno = UNTOUCHED;
    free(NULL);
    printf("free(NULL) leaves errno %d, usable size of NULL %zu\n", errno, malloc_usable_size(NULL));
    return 0;
}

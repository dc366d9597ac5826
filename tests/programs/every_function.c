/* Calls every C function that libtm.so hooks, as it is meant and as it fails, and prints results and errno, which
 * must not depend on who stands in front of the allocator. No address is printed, and nothing here allocates behind
 * our back: output goes through write(2). The calls that succeed are counted in tests/every_function.rs. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* glibc has lost or not yet got these. */
extern void cfree(void *) __attribute__((weak));
extern void free_sized(void *, size_t) __attribute__((weak));
extern void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));

/* The compiler may not know what these do. */
static void *(*volatile volatile_malloc)(size_t) = malloc;
static void *(*volatile volatile_realloc)(void *, size_t) = realloc;
static void *(*volatile volatile_calloc)(size_t, size_t) = calloc;
static void (*volatile volatile_free)(void *) = free;

static void say(const char *format, ...) {
    char line[200];
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    len += snprintf(line + len, sizeof line - (size_t)len, " errno %d\n", error);
    if (write(1, line, (size_t)len) != len)
        _exit(99);
    errno = 0;
}

static void *shown(const char *what, void *block, size_t alignment) {
    say("%s: %s, aligned %d", what, block ? "a block" : "NULL", (uintptr_t)block % alignment == 0);
    return block;
}

static void successes(void) {
    char *block = shown("malloc", volatile_malloc(100), 16);
    strcpy(block, "content");
    block = shown("realloc larger", volatile_realloc(block, 200000), 16);
    say("content kept: %s; usable %d", block, malloc_usable_size(block) >= 200000);
    block = shown("realloc smaller", volatile_realloc(block, 10), 16);
    block = shown("reallocarray", reallocarray(block, 10, 30), 16);
    say("content kept: %s", block);
    volatile_free(block);
    say("free");
    volatile_free(shown("malloc(0)", volatile_malloc(0), 16));
    block = shown("calloc", volatile_calloc(30, 40), 16);
    say("calloc zeroes: %d", block[0] == 0 && memcmp(block, block + 1, 1199) == 0);
    volatile_free(block);
    volatile_free(shown("calloc(0, 8)", volatile_calloc(0, 8), 16));
    volatile_free(shown("realloc(NULL)", volatile_realloc(NULL, 50), 16));
    volatile_free(shown("realloc(NULL, 0)", volatile_realloc(NULL, 0), 16));
    volatile_free(shown("reallocarray(NULL)", reallocarray(NULL, 5, 6), 16));
    shown("realloc(p, 0)", volatile_realloc(volatile_malloc(70), 0), 16);
    shown("reallocarray(p, 0, 9)", reallocarray(volatile_malloc(70), 0, 9), 16);
    void *aligned = NULL;
    say("posix_memalign: %d", posix_memalign(&aligned, 512, 33));
    volatile_free(shown("posix_memalign", aligned, 512));
    volatile_free(shown("aligned_alloc", aligned_alloc(256, 512), 256));
    volatile_free(shown("memalign", memalign(1024, 77), 1024));
    volatile_free(shown("valloc", valloc(1234), 4096));
    aligned = shown("pvalloc", pvalloc(1), 4096);
    say("pvalloc rounds up: %d", malloc_usable_size(aligned) >= 4096);
    volatile_free(aligned);
    (cfree ? cfree : volatile_free)(volatile_malloc(8));
    void *sized = volatile_malloc(24);
    free_sized ? free_sized(sized, 24) : volatile_free(sized);
    sized = aligned_alloc(64, 64);
    free_aligned_sized ? free_aligned_sized(sized, 64, 64) : volatile_free(sized);
    say("the other frees");
}

static void failures(void) {
    size_t huge = (size_t)PTRDIFF_MAX;
    volatile_free(NULL);
    say("free(NULL)");
    shown("huge malloc", volatile_malloc(huge), 16);
    shown("larger than any object", volatile_malloc(huge + 1), 16);
    shown("calloc overflow", volatile_calloc(huge, 4), 16);
    char *block = volatile_malloc(16);
    strcpy(block, "still here");
    shown("huge realloc", volatile_realloc(block, huge), 16);
    shown("reallocarray overflow", reallocarray(block, huge, 4), 16);
    shown("reallocarray(NULL) overflow", reallocarray(NULL, huge, 4), 16);
    say("%s", block);
    volatile_free(block);
    void *place = (void *)42;
    say("posix_memalign of alignment 3: %d", posix_memalign(&place, 3, 8));
    say("posix_memalign of alignment 24: %d", posix_memalign(&place, 24, 8));
    say("huge posix_memalign: %d", posix_memalign(&place, 64, huge));
    say("the place is as it was: %d", place == (void *)42);
    shown("huge aligned_alloc", aligned_alloc(64, huge), 16);
    shown("huge memalign", memalign(64, huge), 16);
    shown("memalign of an alignment too large", memalign(SIZE_MAX / 2 + 2, 8), 16);
    shown("huge valloc", valloc(huge), 16);
    shown("huge pvalloc", pvalloc(huge), 16);
    say("usable size of NULL: %zu", malloc_usable_size(NULL));
    errno = 77;
    volatile_free(volatile_malloc(5));
    say("success leaves errno alone:");
}

int main(void) {
    successes();
    failures();
    return 3;
}

/* The floor that recording is measured against: a preload that reads the processor's counter and appends 8 bytes to a
 * mapped file at each call. No stack, no size, no way to tell the calls apart: less cannot be done.
 *
 * FLOOR_FOLDER gets a sparse file a process, named by its pid: a word that says how many bytes are in use, then, from
 * the second page on, a word an event; words that are 0 are the unused ends of the threads' regions. It calls glibc's
 * allocator directly and makes no system call after its constructor, before which it records nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define FIRST_REGION_BYTES ((size_t)4 << 10)
#define LAST_REGION_BYTES ((size_t)1 << 20)
/* Room for 2^32 events. */
#define FILE_BYTES ((size_t)32 << 30)

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

#define FAST_TLS _Thread_local __attribute__((tls_model("initial-exec")))
static FAST_TLS uint64_t *next, *end;
static FAST_TLS size_t region_bytes;

static char *map;

static inline uint64_t counter(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    uint64_t value;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
#endif
}

/* The next region of the thread's, four times as large as the last. */
static __attribute__((noinline, cold)) int grow(void) {
    if (!map)
        return 0;
    if (region_bytes < LAST_REGION_BYTES)
        region_bytes = region_bytes ? 4 * region_bytes : FIRST_REGION_BYTES;
    size_t at = atomic_fetch_add((_Atomic size_t *)map, region_bytes);
    if (at + region_bytes > FILE_BYTES)
        abort();
    next = (uint64_t *)(map + at);
    end = (uint64_t *)(map + at + region_bytes);
    return 1;
}

static inline void append(uint64_t value) {
    if (__builtin_expect(next == end, 0) && !grow())
        return;
    *next++ = (counter() << 20 ^ value) | 1;
}

/* A forked child begins a file of its own too; the map it came with is its parent's. */
static void begin_file(void) {
    const char *folder = getenv("FLOOR_FOLDER");
    char path[4096];
    next = end = NULL;
    region_bytes = 0;
    map = NULL;
    if (!folder)
        return;
    snprintf(path, sizeof path, "%s/%d", folder, (int)getpid());
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, FILE_BYTES))
        abort();
    char *mapped = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    if (mapped == MAP_FAILED)
        abort();
    close(file);
    /* Or the kernel reads ahead: 128 KiB of nothing. */
    madvise(mapped, FILE_BYTES, MADV_RANDOM);
    *(size_t *)mapped = FIRST_REGION_BYTES;
    map = mapped;
}

__attribute__((constructor)) static void start(void) {
    begin_file();
    pthread_atfork(NULL, NULL, begin_file);
}

void *malloc(size_t size) {
    void *block = __libc_malloc(size);
    append((uint64_t)block ^ size);
    return block;
}

void *calloc(size_t n, size_t size) {
    void *block = __libc_calloc(n, size);
    append((uint64_t)block ^ size);
    return block;
}

void *realloc(void *old, size_t size) {
    void *block = __libc_realloc(old, size);
    append((uint64_t)block ^ size);
    return block;
}

void free(void *block) {
    if (block)
        append((uint64_t)block);
    __libc_free(block);
}

void *aligned_alloc(size_t alignment, size_t size) {
    void *block = __libc_memalign(alignment, size);
    append((uint64_t)block ^ size);
    return block;
}

int posix_memalign(void **place, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) || alignment & (alignment - 1) || !alignment)
        return EINVAL;
    void *block = __libc_memalign(alignment, size);
    append((uint64_t)block ^ size);
    if (!block)
        return ENOMEM;
    *place = block;
    return 0;
}

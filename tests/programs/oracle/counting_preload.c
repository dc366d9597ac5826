/* An independent counter of allocation calls, preloaded behind libtm.so. It knows nothing of tm.
 *
 * COUNT_FILE names a file of five 8-byte numbers that all processes of a run share: allocations that succeeded,
 * reallocations that returned a block, blocks given back, bytes that were asked for, and bytes that malloc_usable_size says
 * of what came and did not go. A failed call and free(NULL) count as nothing;
 * realloc(p, 0) that returns NULL has given p back. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALLOCATIONS, REALLOCATIONS, FREES, ASKED, HELD, N_COUNTS };

static _Atomic uint64_t *counts;
static _Atomic uint64_t before_the_file[N_COUNTS];

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);
static int (*real_posix_memalign)(void **, size_t, size_t);
static void *(*real_aligned_alloc)(size_t, size_t);
static void *(*real_memalign)(size_t, size_t);
static void *(*real_valloc)(size_t);
static void *(*real_pvalloc)(size_t);
static size_t (*real_usable_size)(void *);

/* Serves while dlsym looks for the real functions. */
static char bootstrap[1 << 16] __attribute__((aligned(16)));
static size_t bootstrap_used;
/* Volatile: dlsym calls calloc, but its header says that it calls nothing back. */
static volatile int resolving, is_resolved;

static void add(int what, uint64_t n) {
    _Atomic uint64_t *place = counts ? counts : before_the_file;
    atomic_fetch_add_explicit(&place[what], n, memory_order_relaxed);
}

static void count(int what) { add(what, 1); }

#ifndef __GLIBC__
/* The libgcc that was built for glibc asks it on aarch64 what the processor can do. */
__attribute__((visibility("hidden"))) unsigned long __getauxval(unsigned long what) { return getauxval(what); }

/* musl's own call malloc and aligned_alloc by their symbols, which would come back here. */
static void *calloc_of_musl(size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        bytes = SIZE_MAX;
    void *block = real_malloc(bytes);
    return block ? memset(block, 0, bytes) : NULL;
}

static int posix_memalign_of_musl(void **place, size_t alignment, size_t size) {
    if (alignment < sizeof(void *))
        return EINVAL;
    void *block = real_aligned_alloc(alignment, size);
    if (block)
        *place = block;
    return block ? 0 : errno;
}

static void *valloc_of_musl(size_t size) { return real_aligned_alloc(4096, size); }
#endif

static void resolve(void) {
    if (is_resolved || resolving)
        return;
    int saved = errno;
    resolving = 1;
    real_malloc = dlsym(RTLD_NEXT, "malloc");
    real_calloc = dlsym(RTLD_NEXT, "calloc");
    real_realloc = dlsym(RTLD_NEXT, "realloc");
    real_free = dlsym(RTLD_NEXT, "free");
    real_posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
    real_aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
    real_memalign = dlsym(RTLD_NEXT, "memalign");
    real_usable_size = dlsym(RTLD_NEXT, "malloc_usable_size");
    real_valloc = dlsym(RTLD_NEXT, "valloc");
    real_pvalloc = dlsym(RTLD_NEXT, "pvalloc"); /* musl has none */
#ifndef __GLIBC__
    real_calloc = calloc_of_musl;
    real_posix_memalign = posix_memalign_of_musl;
    real_memalign = real_aligned_alloc;
    real_valloc = valloc_of_musl;
#endif
    is_resolved = 1;
    resolving = 0;
    errno = saved;
}

__attribute__((constructor)) static void open_the_file(void) {
    resolve();
    const char *name = getenv("COUNT_FILE");
    int file = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        abort();
    void *map = mmap(NULL, N_COUNTS * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED)
        abort();
    close(file);
    counts = map;
    for (int what = 0; what < N_COUNTS; what++)
        atomic_fetch_add(&counts[what], atomic_exchange(&before_the_file[what], 0));
}

static int is_bootstrap(void *block) {
    return (char *)block >= bootstrap && (char *)block < bootstrap + sizeof bootstrap;
}

size_t malloc_usable_size(void *block) {
    resolve();
    return !block || is_bootstrap(block) || !real_usable_size ? 0 : real_usable_size(block);
}

static size_t held(void *block) { return malloc_usable_size(block); }

static void *counted(void *block, int what, size_t size) {
    if (block) {
        count(what);
        add(ASKED, size);
        add(HELD, held(block));
    }
    return block;
}

static void *bootstrap_allocate(size_t size) {
    char *block = bootstrap + bootstrap_used;
    bootstrap_used += (size + 15) & ~(size_t)15;
    return bootstrap_used <= sizeof bootstrap ? block : NULL;
}

void *malloc(size_t size) {
    resolve();
    return counted(real_malloc ? real_malloc(size) : bootstrap_allocate(size), ALLOCATIONS, size);
}

void *calloc(size_t n, size_t size) {
    resolve();
    return counted(real_calloc ? real_calloc(n, size) : bootstrap_allocate(n * size), ALLOCATIONS, n * size);
}

void free(void *block) {
    if (!block)
        return;
    count(FREES);
    add(HELD, -held(block));
    if (is_bootstrap(block))
        return;
    resolve();
    real_free(block);
}

void *realloc(void *old, size_t size) {
    resolve();
    if (is_bootstrap(old)) {
        void *block = real_malloc(size);
        if (block)
            memcpy(block, old, size);
        return counted(block, REALLOCATIONS, size);
    }
    size_t before = held(old);
    void *block = real_realloc(old, size);
    if (block) {
        counted(block, REALLOCATIONS, size);
        add(HELD, -before);
    } else if (old && size == 0) {
        count(FREES);
        add(HELD, -before);
    }
    return block;
}

void *reallocarray(void *old, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, bytes);
}

int posix_memalign(void **place, size_t alignment, size_t size) {
    resolve();
    int result = real_posix_memalign(place, alignment, size);
    if (result == 0)
        counted(*place, ALLOCATIONS, size);
    return result;
}

void *aligned_alloc(size_t alignment, size_t size) {
    resolve();
    return counted(real_aligned_alloc(alignment, size), ALLOCATIONS, size);
}

void *memalign(size_t alignment, size_t size) {
    resolve();
    return counted(real_memalign(alignment, size), ALLOCATIONS, size);
}

void *valloc(size_t size) {
    resolve();
    return counted(real_valloc(size), ALLOCATIONS, size);
}

void *pvalloc(size_t size) {
    resolve();
    return counted(real_pvalloc(size), ALLOCATIONS, size);
}

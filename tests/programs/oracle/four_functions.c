/* malloc, calloc, realloc and free alone. Each block begins a page, and nothing can be read before it: whoever takes a block for one
 * of another allocator's is killed. Blocks are not used again. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, SLOT = 1 << 20, N_SLOTS = 1 << 14 };

static char *region;
static size_t sizes[N_SLOTS];
static atomic_int n_used;

void *malloc(size_t size) {
    if (!region)
        region = mmap(NULL, (size_t)SLOT * N_SLOTS, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int slot = atomic_fetch_add(&n_used, 1);
    char *block = region + (size_t)slot * SLOT + PAGE;
    size_t pages = (size / PAGE + 1) * PAGE;
    if (slot >= N_SLOTS || size > SLOT - 2 * PAGE || mprotect(block, pages, PROT_READ | PROT_WRITE) != 0) {
        errno = ENOMEM;
        return NULL;
    }
    sizes[slot] = size;
    return block;
}

void free(void *block) {
    if (block && (((char *)block - region) % SLOT != PAGE || (char *)block < region))
        abort();
}

void *calloc(size_t count, size_t size) {
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? NULL : malloc(bytes);
}

void *realloc(void *old, size_t size) {
    void *block = malloc(size);
    if (block && old) {
        size_t before = sizes[((char *)old - region) / SLOT];
        memcpy(block, old, before < size ? before : size);
    }
    return block;
}

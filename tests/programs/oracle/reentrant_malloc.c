/* An allocator without locks, preloaded behind libtm.so: a signal or a cancellation may stop it at any instruction and
 * call it again, which no allocator of the field allows. So what goes wrong in such a test is libtm.so's fault.
 *
 * Blocks of one size, on a stack of free ones with a counter against ABA; larger blocks are never used again. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SMALL = 256, HEAD = 16 };
#define ROOM ((size_t)8 << 30)

/* In front of each block: its size, and the next free one as a number of units of SMALL + HEAD bytes. */
struct head {
    size_t size;
    _Atomic uint64_t next;
};

static char *_Atomic room;
static _Atomic size_t used;
/* The upper half counts changes, the lower is the place of the first free block in units of HEAD bytes, 0 for none. */
static _Atomic uint64_t first_free;

static char *the_room(void) {
    char *known = atomic_load(&room);
    if (known)
        return known;
    char *fresh = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (fresh == MAP_FAILED)
        abort();
    if (atomic_compare_exchange_strong(&room, &known, fresh))
        return fresh;
    munmap(fresh, ROOM);
    return known;
}

static struct head *head_at(uint64_t place) { return (struct head *)(the_room() + place * HEAD); }

static void *pop(void) {
    uint64_t old = atomic_load(&first_free);
    while ((uint32_t)old) {
        struct head *head = head_at((uint32_t)old);
        uint64_t fresh = ((old >> 32) + 1) << 32 | (uint32_t)atomic_load(&head->next);
        if (atomic_compare_exchange_weak(&first_free, &old, fresh))
            return head + 1;
    }
    return NULL;
}

static void push(struct head *head) {
    uint64_t place = (uint64_t)((char *)head - the_room()) / HEAD, old = atomic_load(&first_free), fresh;
    do {
        atomic_store(&head->next, old);
        fresh = ((old >> 32) + 1) << 32 | place;
    } while (!atomic_compare_exchange_weak(&first_free, &old, fresh));
}

static void *allocate(size_t alignment, size_t size) {
    if (size > ROOM / 2 || alignment > ROOM / 2) {
        errno = ENOMEM;
        return NULL;
    }
    int is_small = size <= SMALL && alignment <= HEAD;
    void *block = is_small ? pop() : NULL;
    if (block)
        return block;
    size_t bytes = is_small ? SMALL : (size + HEAD - 1) / HEAD * HEAD;
    if (alignment < HEAD)
        alignment = HEAD;
    size_t at = atomic_fetch_add(&used, HEAD + bytes + alignment);
    if (at + HEAD + bytes + alignment > ROOM) {
        errno = ENOMEM;
        return NULL;
    }
    uintptr_t address = ((uintptr_t)the_room() + at + HEAD + alignment - 1) / alignment * alignment;
    ((struct head *)address)[-1].size = bytes;
    return (void *)address;
}

void *malloc(size_t size) { return allocate(HEAD, size); }
void *memalign(size_t alignment, size_t size) { return allocate(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return allocate(alignment, size); }
void *valloc(size_t size) { return allocate(4096, size); }
void *pvalloc(size_t size) { return allocate(4096, (size + 4095) / 4096 * 4096); }

int posix_memalign(void **place, size_t alignment, size_t size) {
    void *block = allocate(alignment, size);
    if (!block)
        return ENOMEM;
    *place = block;
    return 0;
}

/* Not by its symbol: that would be another call of free. */
static void give_back(void *block) {
    if (block && ((struct head *)block)[-1].size == SMALL)
        push((struct head *)block - 1);
}

void free(void *block) { give_back(block); }

void *calloc(size_t count, size_t size) {
    size_t bytes;
    void *block = __builtin_mul_overflow(count, size, &bytes) ? NULL : allocate(HEAD, bytes);
    return block ? memset(block, 0, bytes) : NULL;
}

void *realloc(void *old, size_t size) {
    void *block = allocate(HEAD, size);
    if (block && old) {
        size_t old_size = ((struct head *)old)[-1].size;
        memcpy(block, old, old_size < size ? old_size : size);
        give_back(old);
    }
    return block;
}

size_t malloc_usable_size(void *block) { return block ? ((struct head *)block)[-1].size : 0; }

// A program that exports an allocator of its own, so that no preloaded one is ever called.
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static char room[1 << 20];
static size_t used;

void *malloc(size_t size) {
    void *block = room + used;
    used += (size + 15) & ~(size_t)15;
    return used <= sizeof room ? block : NULL;
}

void free(void *block) { (void)block; }

void *calloc(size_t count, size_t size) { return malloc(count * size); }

void *realloc(void *old, size_t size) {
    void *block = malloc(size);
    return old && block ? memcpy(block, old, size) : block;
}

int main(void) {
    puts("I run");
    return 0;
}

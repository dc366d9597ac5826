/* Fills a heap of its own and gives it up: mimalloc's by the function END, jemalloc's by the control call NAME, which with
   BY_NUMBERS is made by its numbers. */
#include <stddef.h>
#include <stdio.h>

typedef struct mi_heap_s mi_heap_t;
mi_heap_t *mi_heap_new(void);
void *mi_heap_malloc(mi_heap_t *, size_t);
void mi_heap_destroy(mi_heap_t *), mi_heap_delete(mi_heap_t *);
int mallctl(const char *, void *, size_t *, void *, size_t);
int mallctlnametomib(const char *, size_t *, size_t *);
int mallctlbymib(const size_t *, size_t, void *, size_t *, void *, size_t);
void *mallocx(size_t, int);

static void *volatile block;

int main(void) {
#ifdef MIMALLOC
    mi_heap_t *heap = mi_heap_new();
    for (int i = 0; i < 100; i++)
        block = mi_heap_malloc(heap, 7011);
    END(heap);
#else
    unsigned arena;
    size_t size = sizeof arena;
    if (mallctl("arenas.create", &arena, &size, NULL, 0))
        return 1;
    /* MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE */
    for (int i = 0; i < 100; i++)
        block = mallocx(7011, (arena + 1) << 20 | 1 << 8);
    char name[64];
    snprintf(name, sizeof name, "arena.%u." NAME, arena);
#ifdef BY_NUMBERS
    size_t numbers[3], n = 3;
    if (mallctlnametomib(name, numbers, &n) || mallctlbymib(numbers, n, NULL, NULL, NULL, 0))
        return 2;
#else
    if (mallctl(name, NULL, NULL, NULL, 0))
        return 2;
#endif
#endif
    puts("done");
    return 0;
}

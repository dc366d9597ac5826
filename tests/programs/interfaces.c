/* Calls an allocator's own functions, which the flags name, a number of times of their own for each size. Built with MIXED
 * where they and malloc's serve the same blocks. */
#include <stdio.h>
#include <stdlib.h>

void *mallocx(size_t, int), *rallocx(void *, size_t, int);
size_t xallocx(void *, size_t, size_t, int);
void dallocx(void *, int), sdallocx(void *, size_t, int);
void *mi_malloc(size_t), *mi_zalloc_aligned(size_t, size_t), *mi_reallocn(void *, size_t, size_t);
void mi_free(void *);
void *tc_new(size_t), *tc_malloc(size_t), *tc_realloc(void *, size_t);
void tc_delete(void *), tc_free(void *);
void *scalable_malloc(size_t), *scalable_realloc(void *, size_t), *scalable_aligned_malloc(size_t, size_t);
void scalable_free(void *), scalable_aligned_free(void *);
void GC_init(void), GC_free(void *), GC_gcollect(void);
void *GC_malloc(size_t), *GC_realloc(void *, size_t);

static void *(*volatile plain_malloc)(size_t) = malloc;
static void (*volatile plain_free)(void *) = free;
void *volatile kept[3];

int main(void) {
#ifdef COLLECTS
    GC_init();
#endif
    for (int i = 0; i < 10; i++)
        FREE(ALLOCATE(7001), 7001);
    for (int i = 0; i < 20; i++) {
        void *block = ALLOCATE(7002);
        block = REALLOCATE(block, 7003);
        FREE(block, 7003);
    }
    for (int i = 0; i < 3; i++)
        kept[i] = OTHER(7004);
#ifdef MIXED
    for (int i = 0; i < 5; i++)
        FREE(plain_malloc(7005), 7005);
    for (int i = 0; i < 6; i++)
        plain_free(ALLOCATE(7006));
#endif
    puts("done");
    return 0;
}

/* Opens a library that finds the C library before anybody else, and gives blocks to it and takes blocks from it. LIBRARY: the
 * library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef LIBRARY
static void *volatile made[40];
/* Runs before dlopen returns. */
static __attribute__((constructor)) void construct(void) {
    for (int i = 0; i < 40; i++)
        made[i] = malloc(7010);
    for (int i = 0; i < 30; i++)
        free(made[i]);
}
void *grab(size_t size) { return malloc(size); }
void drop(void *block) { free(block); }
/* The C library allocates, and is not the one that frees. */
void copy(int n) {
    while (n--)
        free(strdup("a text of thirty-one characters"));
}
#else
int main(int argc, char **argv) {
    void *library = dlopen(argv[argc - 1], RTLD_DEEPBIND | (argc > 2 ? RTLD_LAZY : RTLD_NOW));
    void *(*grab)(size_t) = (void *(*)(size_t))dlsym(library, "grab");
    void (*drop)(void *) = (void (*)(void *))dlsym(library, "drop");
    void (*copy)(int) = (void (*)(int))dlsym(library, "copy");
    void *blocks[1000];
    for (int i = 0; i < 1000; i++)
        blocks[i] = grab(7008);
    for (int i = 0; i < 500; i++)
        free(blocks[i]);
    for (int i = 0; i < 300; i++)
        drop(malloc(7009));
    copy(200);
    size_t before = mallinfo2().uordblks;
    for (int i = 500; i < 1000; i++)
        drop(blocks[i]);
    printf("given back %d\n", before - mallinfo2().uordblks >= 500 * 7008);
    return 0;
}
#endif

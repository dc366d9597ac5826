// A library that allocates; built with one or another function name, so that one can stand where the other stood.
#include <stdlib.h>

void *ALLOCATES(void) {
    void *block = malloc(SIZE);
    __asm__ volatile("" ::: "memory");
    return block;
}

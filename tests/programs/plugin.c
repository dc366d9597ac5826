/* A library that a program opens: its function allocates, two frames deep. */
#include <stdlib.h>

static __attribute__((noinline)) void *deeper(size_t size)
{
    void *block = malloc(size);
    __asm__ volatile("" : : "r"(block) : "memory");
    return block;
}

void *grab(size_t size)
{
    void *block = deeper(size);
    __asm__ volatile("" : : "r"(block) : "memory");
    return block;
}

// Code for a compiler at run time: a recursion of frames of two sizes without frame pointers, from C and from a callback of the
// C library's.
#include <stdio.h>
#include <stdlib.h>

#define KEPT(room) __asm__ volatile("" ::"r"(room) : "memory")

__attribute__((noinline)) static long leaf(int n) {
    char room[40];
    KEPT(room);
    void *block = malloc(10 + n % 50);
    KEPT(block);
    return block != NULL;
}

__attribute__((noinline)) static long descend(int n, int depth) {
    char room[100];
    KEPT(room);
    long below = depth > 0 ? descend(n, depth - 1) : leaf(n);
    KEPT(room);
    return below + 1;
}

static int compare(const void *a, const void *b) {
    descend(3, 2);
    return *(const int *)a - *(const int *)b;
}

int main(void) {
    long sum = 0;
    for (int i = 0; i < 4000; i++)
        sum += descend(i, i % 9);
    int values[50];
    for (int i = 0; i < 50; i++)
        values[i] = i * 7919 % 50;
    qsort(values, 50, sizeof *values, compare);
    printf("%ld %d\n", sum, values[3]);
    return 0;
}

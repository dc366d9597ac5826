// Allocations at known lines, in C: `malloc` directly, in a function that is inlined into another, and in a loop.
#include <stdlib.h>

static void *volatile kept[16];

__attribute__((always_inline)) static inline void *inlined(int n) {
    return malloc(n * 3); // HERE:inlined
}

__attribute__((noinline)) static void *outer(int n) {
    return inlined(n + 1); // HERE:outer
}

int main(void) {
    kept[0] = malloc(1001); // HERE:direct
    kept[1] = outer(700); // HERE:calls_outer
    for (int i = 2; i < 8; i++)
        kept[i] = calloc(11, 11); // HERE:loop
    return 0;
}

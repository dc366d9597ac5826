// As many stacks as there are paths of DEPTH turns: each allocates TIMES blocks and frees all but the first of a few.
// Arguments: DEPTH, TIMES.
#include <stdlib.h>

static int n_times;
static void *volatile kept;

__attribute__((noinline)) static void left(unsigned path, int depth);
__attribute__((noinline)) static void right(unsigned path, int depth);

__attribute__((noinline)) static void allocate(unsigned path) {
    for (int i = 0; i < n_times; i++) {
        kept = malloc(1 + path % 4096);
        if (i > 0 || path % 3)
            free(kept);
    }
}

static void go(unsigned path, int depth) {
    if (depth == 0)
        allocate(path);
    else if (path >> (depth - 1) & 1)
        right(path, depth - 1);
    else
        left(path, depth - 1);
}

static void left(unsigned path, int depth) {
    go(path, depth);
    __asm__ volatile("");
}

static void right(unsigned path, int depth) {
    go(path, depth);
    __asm__ volatile("");
}

int main(int argc, char **argv) {
    int depth = argc > 1 ? atoi(argv[1]) : 10;
    n_times = argc > 2 ? atoi(argv[2]) : 2;
    for (unsigned path = 0; path < 1u << depth; path++)
        go(path, depth);
    return 0;
}

// Allocates 10,000 times below functions without unwind tables whose frames are larger than a page: built as guessed.c
// is. Each frame pointer leads to another page.
#include <stdlib.h>

static void *volatile latest;

__attribute__((noinline)) static void calls(int depth) {
    volatile char large[2 * 4096];
    large[0] = (char)depth;
    if (depth > 0) {
        calls(depth - 1);
    } else {
        latest = malloc(40);
        free(latest);
    }
    large[1] = large[0];
}

int main(void) {
    for (int i = 0; i < 10000; i++)
        calls(3 + i % 5);
}

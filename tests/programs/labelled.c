/* Tells in a domain of its own of whole blocks of the heap, as numpy does, and in another one of the parts of one block. A third of
 * the blocks ends in the domain and not in the heap, a third in both. */
#include "tm.h"
#include <stdlib.h>

enum { N = 30000, SIZE = 64, WHOLE = 7, PARTS = 8 };

static char *blocks[N];

int main(void) {
    char *pool = malloc((N + 1) * SIZE);
    for (int i = 0; i < N; i++) {
        blocks[i] = malloc(SIZE);
        tm_track(WHOLE, (uintptr_t)blocks[i], SIZE);
        tm_track(PARTS, (uintptr_t)pool + (uintptr_t)i * SIZE, SIZE);
    }
    for (int i = 0; i < N; i++) {
        if (i % 3 > 0)
            tm_untrack(WHOLE, (uintptr_t)blocks[i]);
        if (i % 3 > 1)
            free(blocks[i]);
    }
    return 0;
}

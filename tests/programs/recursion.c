// A recursion of a given depth that allocates and notes at its end, and on the way every so many frames:
// `recursion OUTPUT DEPTH FIRST STEP` allocates without a note at each STEP-th depth from FIRST on.
#include "noted.h"

static long depth, first, step;
// Of the blocks that are not noted, the latest.
static void *volatile latest;

__attribute__((noinline)) static void goes_deeper(long n) {
    if (n >= first && n % step == 0)
        latest = malloc(32);
    if (n == depth)
        NOTED("deepest", 16);
    else
        CALL(goes_deeper(n + 1));
}

int main(int argc, char **argv) {
    if (argc != 5)
        return 2;
    start_notes();
    depth = atol(argv[2]);
    first = atol(argv[3]);
    step = atol(argv[4]);
    CALL(goes_deeper(1));
    write_notes(argv[1]);
    return 0;
}

/* What recordings of version 4 hold beside what those of version 3 did: the program whose recording is kept as
   tests/fixtures/version-4.bin. It was made with gcc -g -O1, and run with TM_SAMPLE=4K.

   By hand: 1,000 x 64 B come, and 400 of them go. 3 x 100,000 B stay, each of which is a sample but once in e^24; one of 10,000 B
   becomes one of 200,000 B. All calls and bytes are counted; what lives is an estimate. */
#include <stdlib.h>

static void *volatile kept[1004];

__attribute__((noinline)) static void small(int n) {
    for (int place = 0; place < n; place++)
        kept[place] = malloc(64);
}

__attribute__((noinline)) static void large(int place) {
    kept[place] = malloc(100000);
}

int main(void) {
    small(1000);
    for (int n = 0; n < 400; n++)
        free(kept[n]);
    for (int n = 0; n < 3; n++)
        large(1000 + n);
    kept[1003] = malloc(10000);
    kept[1003] = realloc(kept[1003], 200000);
    return 0;
}

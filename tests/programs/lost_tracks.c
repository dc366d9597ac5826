/* Tracks N blocks of 16 bytes and prints what it was told: how often TM_OK and how often TM_NO_MEMORY. */
#include <stdio.h>

#include "tm.h"

enum { N = 300000, DOMAIN = 7 };

int main(void) {
    int n_tracked = 0, n_lost = 0;
    for (uintptr_t i = 0; i < N; i++) {
        int result = tm_track(DOMAIN, 1 + i * 12345678901, 16);
        n_tracked += result == TM_OK;
        n_lost += result == TM_NO_MEMORY;
    }
    /* Without a buffer: an allocation would be lost as well. */
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("%d %d\n", n_tracked, n_lost);
    return n_tracked + n_lost != N;
}

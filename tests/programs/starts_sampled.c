/* Begins to record samples by a call of its own, at a mean of as many bytes as its argument says, and tells of blocks of two domains
 * at addresses that differ in their highest byte. */
#include "tm.h"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    uint64_t mean = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    printf("too large: %d\n", tm_start_sampled(10, (uint64_t)1 << 41));
    printf("no frames: %d\n", tm_start_sampled(0, mean));
    fflush(stdout);
    if (tm_start_sampled(10, mean) != TM_OK)
        return 1;
    for (int i = 0; i < 1000; i++) {
        void *volatile block = malloc(100);
        free(block);
    }
    for (uintptr_t high = 0; high < 8; high++)
        for (unsigned domain = 7; domain < 10; domain++)
            tm_track(domain, high << 56 | 16, 100);
    for (uintptr_t high = 0; high < 8; high++)
        for (unsigned domain = 7; domain < 10; domain++)
            tm_untrack(domain, high << 56 | 16);
    return 0;
}

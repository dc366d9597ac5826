/* glibc's own knobs and counters around a churn of blocks. What it says of its heap is the same with libtm.so and
 * without it, to the byte: nothing of ours is in there. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void say(const char *when) {
    struct mallinfo2 info = mallinfo2();
    printf("%s: %zu %zu %zu %zu %zu %zu %zu %zu %zu\n", when, info.arena, info.ordblks, info.smblks, info.hblks,
           info.hblkhd, info.fsmblks, info.uordblks, info.fordblks, info.keepcost);
    malloc_info(0, stdout);
}

static void *churns(void *argument) {
    void *volatile blocks[500];
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 500; i++)
            blocks[i] = malloc((size_t)i * 37 % 3000 + (i == 7 ? 300000 : 0));
        for (int i = 0; i < 500; i += 2)
            blocks[i] = realloc(blocks[i], (size_t)i * 53 % 5000 + 1);
        for (int i = 0; i < 500; i++)
            free(blocks[(i * 7) % 500]);
    }
    return argument;
}

int main(void) {
    static char buffer[1 << 16];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    say("at the start");
    printf("mallopt: %d %d %d %d\n", mallopt(M_MMAP_THRESHOLD, 100000), mallopt(M_TRIM_THRESHOLD, 50000),
           mallopt(M_TOP_PAD, 4096), mallopt(M_ARENA_MAX, 2));
    churns(NULL);
    say("after a churn");
    pthread_t thread;
    pthread_create(&thread, NULL, churns, NULL);
    pthread_join(thread, NULL);
    say("after a thread");
    printf("malloc_trim: %d, again: %d\n", malloc_trim(0), malloc_trim(0));
    say("trimmed");
    printf("mallopt(M_PERTURB): %d\n", mallopt(M_PERTURB, 0x55));
    /* Larger than what threads keep, which is not perturbed since glibc 2.41. */
    unsigned char *volatile block = malloc(5000);
    printf("perturbed: %x, usable %zu\n", block[25], malloc_usable_size(block));
    free(block);
    return 0;
}

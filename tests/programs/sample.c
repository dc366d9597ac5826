/* A little of everything that a recording can hold: the program whose recording is kept as tests/fixtures/version-1.bin.

   By hand: the parent allocates 100 x 24 B and frees every second of them, ROUNDS times (one if not given), grows a block
   from 10 to 5,000 B in five reallocations, gets 64 B of zeros and 256 aligned bytes; its thread allocates and frees 40 x
   1,000 B, one at a time; its child frees one of the parent's blocks and allocates 3 x 7 B. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile blocks[100];
static void *volatile kept[4];

static void *worker(void *nothing) {
    for (int n = 0; n < 40; n++) {
        void *volatile block = malloc(1000);
        free(block);
    }
    return nothing;
}

static __attribute__((noinline)) void many(int depth) {
    if (depth > 0) {
        many(depth - 1);
        __asm__ volatile("");
        return;
    }
    for (int n = 0; n < 100; n++)
        blocks[n] = malloc(24);
    for (int n = 0; n < 100; n += 2) {
        free(blocks[n]);
        blocks[n] = NULL;
    }
}

static void grow(void) {
    kept[0] = malloc(10);
    for (int size = 1000; size <= 5000; size += 1000)
        kept[0] = realloc(kept[0], size);
}

int main(int argc, char **argv) {
    pthread_t thread;
    int rounds = argc > 1 ? atoi(argv[1]) : 1;
    for (int round = 0; round < rounds; round++)
        many(5 + round % 50);
    grow();
    kept[1] = calloc(8, 8);
    kept[2] = aligned_alloc(256, 256);
    if (pthread_create(&thread, NULL, worker, NULL) != 0)
        return 1;
    pthread_join(thread, NULL);
    pid_t child = fork();
    if (child == 0) {
        free(blocks[1]);
        for (int n = 0; n < 3; n++)
            kept[3] = malloc(7);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    return 0;
}

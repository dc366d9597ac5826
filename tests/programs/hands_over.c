// Never more than 1,024 + 2 blocks of the allocator live in each of its processes, and no byte of theirs is lost: two threads
// take blocks from each other's slots, reallocate them and put others there, for ever. A child that outlives its parent does
// the same on one thread, if there is an argument.
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { N_SLOTS = 1024 };

static _Atomic(void *) slots[N_SLOTS];

static void *hand_over(void *seed) {
    uint64_t x = (uint64_t)(uintptr_t)seed;
    for (unsigned n = 0;; n++) {
        if (n % 64 == 63)
            usleep(5000);
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        void *block = atomic_exchange(&slots[x % N_SLOTS], NULL);
        if (block && (x >> 40) % 4 == 0)
            block = realloc(block, 16 + (x >> 10) % 256);
        else
            free(block), block = malloc(16 + (x >> 10) % 256);
        // Whoever finds another one's block there frees it.
        free(atomic_exchange(&slots[x % N_SLOTS], block));
    }
    return NULL;
}

int main(int argc, char **argv) {
    (void)argv;
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc > 1 && fork() != 0) {
        free(malloc(100));
        _exit(0);
    }
    // A child is part of the recording from its first event on.
    void *volatile first = malloc(100);
    free(first);
    // Whoever started it has failed by then.
    alarm(600);
    printf("%d\n", (int)getpid());
    pthread_t thread;
    if (argc == 1)
        pthread_create(&thread, NULL, hand_over, (void *)(uintptr_t)88172645463325252u);
    hand_over((void *)(uintptr_t)362436069u);
}

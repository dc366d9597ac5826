/* Allocates, reallocates and frees in one thread, the same in each run; with an argument in three, for ever. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { N_SLOTS = 300, N_ROUNDS = 20000 };

static unsigned next(unsigned *state) { return *state = *state * 1664525 + 1013904223; }

static void round_of(void **slots, unsigned *state) {
    void **slot = &slots[next(state) >> 8 & 255];
    size_t size = next(state) >> 16 & 1023;
    switch (next(state) >> 20 & 7) {
    case 0:
        *slot = realloc(*slot, size + 1);
        break;
    case 1:
        free(*slot);
        *slot = calloc(size % 7, size);
        break;
    case 2:
        free(*slot);
        *slot = aligned_alloc(64, 64 * (size % 5 + 1));
        break;
    case 3:
        /* Frees it. */
        if (*slot)
            *slot = realloc(*slot, 0);
        break;
    default:
        free(*slot);
        *slot = malloc(size);
    }
}

static void *work(void *argument) {
    void *slots[N_SLOTS] = {0};
    unsigned state = (unsigned)(size_t)argument;
    for (long round = 0; argument || round < N_ROUNDS; round++)
        round_of(slots, &state);
    for (int slot = 0; slot < N_SLOTS; slot++)
        free(slots[slot]);
    return NULL;
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc == 1) {
        work(NULL);
        return 0;
    }
    pthread_t threads[2];
    for (size_t thread = 0; thread < 2; thread++)
        pthread_create(&threads[thread], NULL, work, (void *)(thread + 1));
    puts("begun");
    fflush(stdout);
    work((void *)3);
    return 0;
}

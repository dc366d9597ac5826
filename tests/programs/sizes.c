/* Blocks of 8 bytes to 64 MiB that grow, are handed to another thread and freed there: the same in each run. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { N_ROUNDS = 40, N_KEPT = 4096, N_SIZES = 24 };

static unsigned state = 1;

static unsigned next(void) { return (state = state * 1664525 + 1013904223) >> 8; }

/* Each power of two is half as frequent as the one before; in between all sizes are equally likely. */
static size_t size(void) {
    int power = 0;
    for (unsigned bits = next(); power < N_SIZES - 1 && (bits & 1); bits >>= 1)
        power++;
    size_t least = (size_t)8 << power;
    return power == N_SIZES - 1 ? least : least + next() % least;
}

__attribute__((noinline)) static char *take(size_t bytes) {
    char *block = malloc(bytes);
    *block = 1;
    return block;
}

__attribute__((noinline)) static char *grow(char *block, size_t bytes) {
    block = realloc(block, bytes);
    *block = 2;
    return block;
}

__attribute__((noinline)) static char *clear(size_t bytes) {
    char *block = calloc(1, bytes);
    *block = 3;
    return block;
}

static void *drop(void *blocks) {
    for (int i = 0; i < N_KEPT; i += 2) {
        free(((char **)blocks)[i]);
        ((char **)blocks)[i] = NULL;
    }
    return NULL;
}

int main(void) {
    static char *kept[N_KEPT];
    char *large = take((size_t)64 << 20);
    for (int round = 0; round < N_ROUNDS; round++) {
        for (int i = 0; i < N_KEPT; i++) {
            if (kept[i] && next() % 4 == 0) {
                kept[i] = grow(kept[i], size());
                continue;
            }
            free(kept[i]);
            kept[i] = next() % 4 ? take(size()) : clear(size());
        }
        if (round % 10 == 0) {
            pthread_t thread;
            pthread_create(&thread, NULL, drop, kept);
            pthread_join(thread, NULL);
        }
    }
    free(large);
    puts("done");
    return 0;
}

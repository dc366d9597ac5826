/* Allocates and frees by a seed, in several threads one after the other and then all at once, for as long as it is told to.
 *
 *   bounded ROUNDS SEED THREADS [PACE]
 *
 * A round is 65,536 steps. What comes, goes and stays is the same each time but for the order of the threads that run at once,
 * which live far below the peak. PACE is that of room.h. */
#include <pthread.h>

#include "room.h"

enum { SLOTS = 1500, STEPS = 65536, BETWEEN_LOOKS = 64 };

#define SITE(name, make)                                                                                               \
    static __attribute__((noinline)) void *name(size_t size) {                                                         \
        void *block = make;                                                                                            \
        *(volatile char *)block = 1;                                                                                   \
        return block;                                                                                                  \
    }
SITE(one_site, malloc(size))
SITE(another_site, calloc(1, size))
SITE(third_site, malloc(size + 100))

struct work {
    uint64_t seed;
    unsigned long rounds, slots;
};

static uint64_t next(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void *churn(void *argument) {
    struct work *work = argument;
    void *slots[SLOTS] = {0};
    for (unsigned long step = 0; step < work->rounds * STEPS; step++) {
        uint64_t random = next(&work->seed);
        void **slot = &slots[random % work->slots];
        size_t size = 16 + (random >> 20) % 500;
        if (pace && step % BETWEEN_LOOKS == 0)
            wait_for_room();
        if (*slot && random >> 40 & 1) {
            free(*slot);
            *slot = NULL;
        } else if (*slot) {
            *slot = realloc(*slot, size);
        } else {
            int site = random >> 41 & 3;
            *slot = site == 0 ? one_site(size) : site == 1 ? another_site(size) : third_site(size);
        }
    }
    /* A third of what is left stays. */
    for (unsigned long n = 0; n < work->slots; n++)
        if (n % 3)
            free(slots[n]);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 2;
    unsigned long rounds = strtoul(argv[1], NULL, 10), seed = strtoul(argv[2], NULL, 10);
    unsigned long n_threads = strtoul(argv[3], NULL, 10);
    look_at_room(argc > 4 ? strtoul(argv[4], NULL, 10) : 0);
    struct work work = {seed * 2654435761u + 1, rounds / 2, SLOTS};
    churn(&work);
    /* The peak, once. */
    void *large = one_site(100 << 20);
    free(large);
    pthread_t threads[64];
    struct work works[64];
    for (unsigned long n = 0; n < n_threads; n++) {
        works[n] = (struct work){seed * 40503u + n + 1, (rounds - rounds / 2) / n_threads, 300};
        pthread_create(&threads[n], NULL, churn, &works[n]);
    }
    for (unsigned long n = 0; n < n_threads; n++)
        pthread_join(threads[n], NULL);
    return 0;
}

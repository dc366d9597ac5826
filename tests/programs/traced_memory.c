// Threads that allocate and free as they like, while each byte is counted in an atomic counter as well; at every moment at
// which they are all held, traced memory and its peak have to be what was counted.
//
// The peak has to be known too, whatever the threads' order is: in one half of a round they only take memory, in the
// other they only give it back, so the peak is the most of all moments between two halves.
//
// Prints how many moments were asked about, and how much was live at most; fails at the first that differs.
#include "tm.h"
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, ROUNDS = 100, BLOCKS = 400, DOMAIN = 7 };

struct block {
    void *memory; // of a tracked one, a number that nobody else has
    size_t size;
    int is_tracked;
};

struct worker {
    pthread_t thread;
    unsigned long long random;
    struct block blocks[BLOCKS];
};

static struct worker workers[THREADS];
static pthread_barrier_t barrier;
static _Atomic long long counted_heap, counted_domain;
static _Atomic unsigned long long numbers = 1;

static unsigned below(struct worker *worker, unsigned limit) {
    worker->random = worker->random * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(worker->random >> 33) % limit;
}

static size_t random_size(struct worker *worker) {
    return 1 + below(worker, 1u << below(worker, 16));
}

static void take(struct worker *worker, struct block *block) {
    block->size = random_size(worker);
    block->is_tracked = below(worker, 8) == 0;
    if (block->is_tracked) {
        block->memory = (void *)(uintptr_t)(numbers++ << 4);
        if (tm_track(DOMAIN, (uintptr_t)block->memory, block->size) != TM_OK)
            abort();
        counted_domain += (long long)block->size;
        return;
    }
    switch (below(worker, 3)) {
    case 0:
        block->memory = malloc(block->size);
        break;
    case 1:
        block->memory = calloc(1, block->size);
        break;
    default:
        block->memory = memalign(64, block->size);
    }
    counted_heap += (long long)block->size;
}

// Another size for a block: larger ones while memory is taken, smaller ones while it is given back.
static void resize(struct block *block, size_t size) {
    if (block->is_tracked) {
        if (tm_track(DOMAIN, (uintptr_t)block->memory, size) != TM_OK)
            abort();
        counted_domain += (long long)size - (long long)block->size;
    } else {
        block->memory = realloc(block->memory, size);
        counted_heap += (long long)size - (long long)block->size;
    }
    block->size = size;
}

static void give(struct block *block) {
    if (block->is_tracked) {
        if (tm_untrack(DOMAIN, (uintptr_t)block->memory) != TM_OK)
            abort();
        counted_domain -= (long long)block->size;
    } else {
        free(block->memory);
        counted_heap -= (long long)block->size;
    }
    block->memory = NULL;
}

static void take_some(struct worker *worker) {
    for (int i = 0; i < BLOCKS; i++) {
        struct block *block = &worker->blocks[i];
        if (block->memory == NULL && below(worker, 2))
            take(worker, block);
        else if (block->memory != NULL && below(worker, 4) == 0)
            resize(block, block->size + random_size(worker));
    }
}

static void give_some(struct worker *worker) {
    for (int i = 0; i < BLOCKS; i++) {
        struct block *block = &worker->blocks[i];
        if (block->memory != NULL && below(worker, 3))
            give(block);
        else if (block->memory != NULL && block->size > 1 && below(worker, 4) == 0)
            resize(block, 1 + below(worker, (unsigned)block->size - 1));
    }
}

// Held between two barriers while the first thread asks.
static void hold(void) {
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
}

static void *work(void *argument) {
    struct worker *worker = argument;
    hold();
    for (int round = 0; round < ROUNDS; round++) {
        take_some(worker);
        hold();
        give_some(worker);
        hold();
    }
    for (int i = 0; i < BLOCKS; i++)
        if (worker->blocks[i].memory != NULL)
            give(&worker->blocks[i]);
    return NULL;
}

struct memory {
    uint64_t current, peak;
};

static struct memory traced_memory(void) {
    struct memory memory;
    if (tm_get_traced_memory(&memory.current, &memory.peak) != TM_OK)
        abort();
    return memory;
}

static uint64_t domain_memory(unsigned domain) {
    uint64_t current;
    if (tm_get_domain_memory(domain, &current, NULL) != TM_OK)
        abort();
    return current;
}

// What the program had before its threads began is the same all the time.
static struct memory before;

// Whether tm says what was counted, `peak` at most.
static int is_right(long long peak) {
    struct memory memory = traced_memory();
    uint64_t current = before.current + (uint64_t)(counted_heap + counted_domain);
    uint64_t expected_peak = before.current + (uint64_t)peak;
    if (memory.current == current && memory.peak == expected_peak && domain_memory(DOMAIN) == (uint64_t)counted_domain)
        return 1;
    printf("%llu and at most %llu, not %llu and %llu\n", (unsigned long long)memory.current,
           (unsigned long long)memory.peak, (unsigned long long)current, (unsigned long long)expected_peak);
    return 0;
}

int main(void) {
    static struct worker chance = {.random = 6};
    int n_moments = 0, n_right = 0;
    setvbuf(stdout, NULL, _IONBF, 0);
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) {
        workers[i].random = (unsigned long long)i;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            abort();
    }
    pthread_barrier_wait(&barrier);
    before = traced_memory();
    if (tm_reset_peak() != TM_OK)
        abort();
    pthread_barrier_wait(&barrier);
    long long peak = 0, most = 0;
    for (int half = 0; half < 2 * ROUNDS; half++) {
        pthread_barrier_wait(&barrier);
        long long counted = counted_heap + counted_domain;
        peak = counted > peak ? counted : peak;
        most = peak > most ? peak : most;
        // About half of all moments, at random.
        if (below(&chance, 2)) {
            n_moments++;
            n_right += is_right(peak);
        }
        // Now and then a new peak, which is what is live now.
        if (below(&chance, 40) == 0) {
            if (tm_reset_peak() != TM_OK)
                abort();
            peak = counted;
        }
        pthread_barrier_wait(&barrier);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    printf("%d of %d moments were right, at most %lld bytes\n", n_right, n_moments, most);
    return n_right != n_moments;
}

/* Threads allocate, reallocate and free each other's blocks as fast as they can, from a table of shared places, so that
 * addresses wander from thread to thread: `shared_blocks OUTPUT N_ROUNDS`.
 *
 * OUTPUT gets what the program knows of each address: for the n-th block at an address its size and its thread. The
 * number is exact, because who has a block has its address alone. Three 8-byte numbers a block: address, n, size << 32 |
 * thread. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { N_THREADS = 4, N_PLACES = 64, N_ADDRESSES = 1 << 20 };

struct known {
    uint64_t address, number, size_and_thread;
};
struct seen {
    _Atomic uint64_t address;
    uint64_t count;
};

static _Atomic(void *) places[N_PLACES];
static struct seen *seen;
static struct known *known;
static long n_rounds;
static long n_known[N_THREADS];

static void *map(size_t bytes) {
    void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        abort();
    return room;
}

/* How many blocks have been at the address of a block of one's own. */
static uint64_t count_at(uint64_t address) {
    for (uint64_t place = address * 0x9e3779b97f4a7c15u >> 44;; place = (place + 1) % N_ADDRESSES) {
        uint64_t other = 0;
        if (atomic_load(&seen[place].address) == address ||
            atomic_compare_exchange_strong(&seen[place].address, &other, address) || other == address)
            return seen[place].count++;
    }
}

static void note(long me, void *block, size_t size) {
    uint64_t address = (uint64_t)(uintptr_t)block;
    known[me * n_rounds + n_known[me]++] = (struct known){address, count_at(address), size << 32 | (uint64_t)me};
}

static void *work(void *argument) {
    long me = (long)argument;
    uint64_t random = 88172645463325252u + (uint64_t)me;
    for (long round = 0; round < n_rounds; round++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        _Atomic(void *) *place = &places[random % N_PLACES];
        size_t size = 1 + (random >> 20) % (random & 1 << 10 ? 100 : 5000);
        void *block = atomic_exchange(place, NULL);
        if (!block) {
            block = malloc(size);
            note(me, block, size);
        } else if (random & 1 << 11) {
            /* In place or not: either way the old block is gone and this is the next one at its address. */
            block = realloc(block, size);
            note(me, block, size);
        } else {
            free(block);
            continue;
        }
        free(atomic_exchange(place, block));
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    n_rounds = atol(argv[2]);
    seen = map(N_ADDRESSES * sizeof *seen);
    known = map((size_t)n_rounds * N_THREADS * sizeof *known);
    pthread_t threads[N_THREADS];
    for (long i = 0; i < N_THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < N_PLACES; i++)
        free(places[i]);
    FILE *file = fopen(argv[1], "w");
    for (long i = 0; file && i < N_THREADS; i++)
        fwrite(&known[i * n_rounds], sizeof *known, (size_t)n_known[i], file);
    return file && fclose(file) == 0 ? 0 : 3;
}

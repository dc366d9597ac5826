/* Threads allocate and free until somebody kills the process, and count each call in a file before and after it.
 *
 * BURST_FILE is an array of 8-byte numbers that outlives us: for each thread allocations begun, allocations done, frees
 * begun, frees done. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { N_THREADS = 4, N_BLOCKS = 100 };

static struct counts {
    _Atomic uint64_t allocations_begun, allocations_done, frees_begun, frees_done;
} *counts;

static void *burst(void *argument) {
    struct counts *mine = argument;
    static _Thread_local void *blocks[N_BLOCKS];
    for (unsigned i = 0;; i++) {
        void **place = &blocks[(i * 31) % N_BLOCKS];
        if (*place) {
            atomic_fetch_add(&mine->frees_begun, 1);
            free(*place);
            atomic_fetch_add(&mine->frees_done, 1);
        }
        atomic_fetch_add(&mine->allocations_begun, 1);
        *place = malloc(i % 1000);
        atomic_fetch_add(&mine->allocations_done, 1);
    }
    return NULL;
}

int main(void) {
    int file = open(getenv("BURST_FILE"), O_RDWR);
    void *map = mmap(NULL, N_THREADS * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED)
        return 1;
    counts = map;
    close(file);
    pthread_t threads[N_THREADS];
    for (int i = 0; i < N_THREADS; i++)
        pthread_create(&threads[i], NULL, burst, &counts[i]);
    pthread_join(threads[0], NULL);
}

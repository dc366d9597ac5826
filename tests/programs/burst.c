/* Threads allocate and free until the process ends, and count each call in a file before and after it.
 *
 * BURST_FILE is an array of 8-byte numbers that outlives us: for each thread its tid, allocations begun, allocations
 * done, frees begun, frees done. When each thread has done some, the main thread ends the process as the first argument
 * says; without one somebody else has to, and an alarm sees to it that it ends at all. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { N_THREADS = 4, N_BLOCKS = 100, ENOUGH = 20000, MEMORY_LIMIT = 100 << 20 };

static struct counts {
    _Atomic uint64_t tid, allocations_begun, allocations_done, frees_begun, frees_done;
} *counts;
static int keep_all;

static void *burst(void *argument) {
    struct counts *mine = argument;
    static _Thread_local void *blocks[N_BLOCKS];
    mine->tid = (uint64_t)syscall(SYS_gettid);
    for (unsigned i = 0;; i++) {
        void **place = &blocks[(i * 31) % N_BLOCKS];
        if (*place && !keep_all) {
            atomic_fetch_add(&mine->frees_begun, 1);
            free(*place);
            atomic_fetch_add(&mine->frees_done, 1);
        }
        atomic_fetch_add(&mine->allocations_begun, 1);
        *place = malloc(i % 1000);
        if (!*place)
            abort();
        atomic_fetch_add(&mine->allocations_done, 1);
    }
    return NULL;
}

static void *exits(void *unused) {
    (void)unused;
    exit(6);
}

static void handler(void) { _exit(9); }

static void end(const char *how) {
    pthread_t thread;
    if (!strcmp(how, "exit")) exit(5);
    if (!strcmp(how, "_exit")) _exit(5);
    if (!strcmp(how, "quick_exit")) quick_exit(5);
    if (!strcmp(how, "quick_exit, _exit in a handler")) {
        at_quick_exit(handler);
        quick_exit(5);
    }
    if (!strcmp(how, "exit_group")) syscall(SYS_exit_group, 5);
    if (!strcmp(how, "exit in a thread")) pthread_create(&thread, NULL, exits, NULL);
    if (!strcmp(how, "abort")) abort();
    if (!strcmp(how, "segfault")) *(volatile int *)8 = 1;
    if (!strcmp(how, "terminated")) raise(SIGTERM);
    pause();
}

int main(int argc, char **argv) {
    alarm(600);
    int file = open(getenv("BURST_FILE"), O_RDWR);
    void *map = mmap(NULL, N_THREADS * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED)
        return 1;
    counts = map;
    close(file);
    struct rlimit limit = {MEMORY_LIMIT, MEMORY_LIMIT};
    if (argc > 1 && !strncmp(argv[1], "out of ", 7)) {
        setrlimit(!strcmp(argv[1], "out of memory") ? RLIMIT_DATA : RLIMIT_AS, &limit);
        keep_all = 1;
    }
    pthread_t threads[N_THREADS];
    for (int i = 0; i < N_THREADS; i++)
        pthread_create(&threads[i], NULL, burst, &counts[i]);
    for (int i = 0; i < N_THREADS && argc > 1; i++)
        while (counts[i].allocations_done < ENOUGH)
            usleep(100);
    if (argc > 1)
        end(argv[1]);
    pause();
}

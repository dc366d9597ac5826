/* One scenario of threads per argument; tests/threads.rs knows how many blocks each allocates and frees. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void *(*volatile volatile_malloc)(size_t) = malloc;
static void (*volatile volatile_free)(void *) = free;

enum { N_SHORT = 10000, N_LIVE = 500, N_CANCELLED = 100, N_AT_ONCE = 4, N_KEYS = 3, N_LATE = 25 };

/* Four at a time, ten thousand in all; each allocates 5 blocks of 48 bytes and frees 4 of them. */
static void *short_thread(void *argument) {
    void *blocks[5];
    for (int i = 0; i < 5; i++)
        blocks[i] = volatile_malloc(48);
    for (int i = 0; i < 4; i++)
        volatile_free(blocks[i]);
    return argument;
}

/* How many threads the kernel knows of. Allocates nothing. */
static long count_threads(void) {
    static const char name[] = "\nThreads:\t";
    char status[4096];
    int file = open("/proc/self/status", O_RDONLY);
    ssize_t length = read(file, status, sizeof status - 1);
    close(file);
    status[length < 0 ? 0 : length] = '\0';
    char *found = strstr(status, name);
    if (!found)
        abort();
    return strtol(found + sizeof name - 1, NULL, 10);
}

/* How many there are before the first one is made: an emulator has some of its own. */
static long n_at_start;

/* Until the kernel has forgotten all threads that were made: one that has been joined exists a moment longer. Allocates nothing. */
static void wait_until_alone(void) {
    while (count_threads() > n_at_start)
        sched_yield();
}

static void run(void *(*body)(void *), int n, const char *const *names) {
    pthread_t threads[N_AT_ONCE];
    for (int i = 0; i < n; i++) {
        pthread_create(&threads[i], NULL, body, names ? (void *)names[i] : NULL);
    }
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

/* Destructors run in rounds, because each sets its key again; each round allocates a block of 77 bytes and frees the
 * one before. After the last round the thread library frees what is its own. */
static pthread_key_t keys[N_KEYS];

static void destroy(void *block) {
    static _Thread_local int rounds;
    volatile_free(block);
    if (++rounds <= N_KEYS)
        pthread_setspecific(keys[rounds - 1], volatile_malloc(77));
}

static void *with_destructors(void *argument) {
    for (int i = 0; i < N_KEYS; i++)
        pthread_setspecific(keys[i], volatile_malloc(77));
    return argument;
}

/* All of them live at the same time: each allocates 20 blocks of 49 bytes, and frees half of them and half of its
 * neighbour's when all have allocated. */
static pthread_barrier_t all_have_allocated;
static void *blocks_of[N_LIVE][20];

static void *live_thread(void *argument) {
    long me = (long)argument;
    for (int i = 0; i < 20; i++)
        blocks_of[me][i] = volatile_malloc(49);
    pthread_barrier_wait(&all_have_allocated);
    for (int i = 0; i < 10; i++)
        volatile_free(blocks_of[me][i]);
    for (int i = 10; i < 20; i++)
        volatile_free(blocks_of[(me + 1) % N_LIVE][i]);
    return argument;
}

static void run_live(void) {
    static pthread_t threads[N_LIVE];
    pthread_barrier_init(&all_have_allocated, NULL, N_LIVE);
    for (long i = 0; i < N_LIVE; i++)
        if (pthread_create(&threads[i], NULL, live_thread, (void *)i) != 0)
            abort();
    for (int i = 0; i < N_LIVE; i++)
        pthread_join(threads[i], NULL);
}

/* Allocating is no cancellation point: a thread whose cancellation is pending does all of its work first. */
static void clean_up(void *block) {
    volatile_free(volatile_malloc(55));
    volatile_free(block);
}

static void *cancelled_thread(void *argument) {
    pthread_cleanup_push(clean_up, volatile_malloc(55));
    pthread_cancel(pthread_self());
    for (int i = 0; i < 98; i++)
        volatile_free(volatile_malloc(55));
    pthread_testcancel();
    puts("not cancelled");
    pthread_cleanup_pop(0);
    return argument;
}

static void *named(void *name) {
    for (int i = 0; i < 10; i++)
        volatile_free(volatile_malloc(30));
    prctl(PR_SET_NAME, name);
    for (int i = 0; i < 20000; i++)
        volatile_free(volatile_malloc(30));
    return NULL;
}

static void *named_at_once(void *name) {
    prctl(PR_SET_NAME, name);
    volatile_malloc(30);
    return NULL;
}

int main(int argc, char **argv) {
    static const char *const names[] = {"collector", "a \"quoted\" one", "fifteen letters", "worker/3"};
    const char *scenario = argc > 1 ? argv[1] : "";
    n_at_start = count_threads();
    if (strcmp(scenario, "short") == 0)
        for (int i = 0; i < N_SHORT / N_AT_ONCE; i++) {
            run(short_thread, N_AT_ONCE, NULL);
            wait_until_alone();
        }
    if (strcmp(scenario, "live") == 0)
        run_live();
    if (strcmp(scenario, "cancelled") == 0)
        for (int i = 0; i < N_CANCELLED / N_AT_ONCE; i++)
            run(cancelled_thread, N_AT_ONCE, NULL);
    if (strcmp(scenario, "destructors") == 0) {
        for (int i = 0; i < N_KEYS; i++)
            pthread_key_create(&keys[i], destroy);
        for (int i = 0; i < N_LATE; i++)
            run(with_destructors, N_AT_ONCE, NULL);
    }
    if (strcmp(scenario, "names") == 0)
        run(named, N_AT_ONCE, names);
    if (strcmp(scenario, "names at once") == 0)
        run(named_at_once, N_AT_ONCE, names);
    puts("done");
}

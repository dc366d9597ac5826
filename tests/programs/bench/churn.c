/* Churn: each thread keeps a live set and replaces a block of it again and again, from stacks whose outer part never
 * changes and whose inner part does each time.
 *
 *   churn EVENTS OUTER_FRAMES THREADS[,THREADS...]
 *
 * A phase per number of threads does EVENTS allocations and frees in all its threads together. Per phase a line on
 * standard error, of the loops alone: `churn: THREADS EVENTS WALL_NS CPU_NS`. Standard output gets a checksum. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LIVE_BLOCKS = 1024, N_INNER_MAX = 6, THREADS_MAX = 64 };

struct task {
    pthread_t thread;
    pthread_barrier_t *start;
    uint64_t random, n_turns, checksum;
    int n_outer;
    int64_t begin_ns, end_ns, cpu_ns;
    void *live[LIVE_BLOCKS];
};

static int64_t now_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static uint64_t next_random(struct task *task) {
    task->random ^= task->random << 13;
    task->random ^= task->random >> 7;
    task->random ^= task->random << 17;
    return task->random;
}

/* A function that is always a frame of its own: not inlined, no tail call. */
#define FRAME __attribute__((noinline, noclone)) static
#define AFTER_THE_CALL(value) __asm__ volatile("" : "+r"(value) : : "memory")

/* Inner frames: which of the two is next is a bit of `path`. */
FRAME void *inner_0(int n, uint64_t path, size_t size);
FRAME void *inner_1(int n, uint64_t path, size_t size);
#define INNER(name, pad_bytes)                                                                                         \
    FRAME void *name(int n, uint64_t path, size_t size) {                                                              \
        __attribute__((unused)) volatile char pad[pad_bytes];                                                          \
        pad[0] = 0;                                                                                                    \
        void *block = n == 0      ? malloc(size)                                                                       \
                      : path & 1 ? inner_1(n - 1, path >> 1, size)                                                     \
                                 : inner_0(n - 1, path >> 1, size);                                                    \
        AFTER_THE_CALL(block);                                                                                         \
        return block;                                                                                                  \
    }
INNER(inner_0, 24)
INNER(inner_1, 72)

FRAME void *allocate(struct task *task) {
    uint64_t random = next_random(task);
    size_t size = random >> 58 == 0 ? 4096 : 16 + (random >> 20) % 240;
    uint64_t path = random >> 40;
    task->checksum += size;
    int n_inner = (random >> 10) % (N_INNER_MAX + 1);
    void *block = n_inner == 0 ? malloc(size) : inner_0(n_inner - 1, path, size);
    AFTER_THE_CALL(block);
    return block;
}

FRAME uint64_t loop(struct task *task) {
    for (int i = 0; i < LIVE_BLOCKS; i++)
        task->live[i] = allocate(task);
    pthread_barrier_wait(task->start);
    int64_t cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    task->begin_ns = now_ns(CLOCK_MONOTONIC);
    for (uint64_t i = 0; i < task->n_turns; i++) {
        void **place = &task->live[next_random(task) % LIVE_BLOCKS];
        free(*place);
        *place = allocate(task);
    }
    task->end_ns = now_ns(CLOCK_MONOTONIC);
    task->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
    for (int i = 0; i < LIVE_BLOCKS; i++)
        free(task->live[i]);
    return task->checksum;
}

/* Outer frames, five functions in turn. */
#define OUTER(name, next, pad_bytes)                                                                                   \
    FRAME uint64_t name(int n, struct task *task) {                                                                    \
        __attribute__((unused)) volatile char pad[pad_bytes];                                                          \
        pad[0] = 0;                                                                                                    \
        uint64_t sum = n > 1 ? next(n - 1, task) : loop(task);                                                         \
        AFTER_THE_CALL(sum);                                                                                           \
        return sum;                                                                                                    \
    }
FRAME uint64_t outer_0(int n, struct task *task);
OUTER(outer_4, outer_0, 200)
OUTER(outer_3, outer_4, 8)
OUTER(outer_2, outer_3, 56)
OUTER(outer_1, outer_2, 120)
OUTER(outer_0, outer_1, 24)

static void *run(void *argument) {
    struct task *task = argument;
    outer_0(task->n_outer, task);
    return NULL;
}

static uint64_t phase(uint64_t n_events, int n_outer, int n_threads) {
    static struct task tasks[THREADS_MAX];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, n_threads);
    for (int i = 0; i < n_threads; i++) {
        tasks[i] = (struct task){.start = &start, .n_outer = n_outer, .n_turns = n_events / 2 / n_threads};
        tasks[i].random = 88172645463325252ULL + i;
        if (pthread_create(&tasks[i].thread, NULL, run, &tasks[i]))
            abort();
    }
    int64_t begin_ns = INT64_MAX, end_ns = 0, cpu_ns = 0;
    uint64_t checksum = 0;
    for (int i = 0; i < n_threads; i++) {
        pthread_join(tasks[i].thread, NULL);
        begin_ns = tasks[i].begin_ns < begin_ns ? tasks[i].begin_ns : begin_ns;
        end_ns = tasks[i].end_ns > end_ns ? tasks[i].end_ns : end_ns;
        cpu_ns += tasks[i].cpu_ns;
        checksum += tasks[i].checksum;
    }
    uint64_t n_done = 2 * tasks[0].n_turns * n_threads;
    fprintf(stderr, "churn: %d %llu %lld %lld\n", n_threads, (unsigned long long)n_done, (long long)(end_ns - begin_ns),
            (long long)cpu_ns);
    return checksum;
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 2;
    uint64_t checksum = 0;
    for (char *number = strtok(argv[3], ","); number; number = strtok(NULL, ",")) {
        int n_threads = atoi(number);
        if (n_threads < 1 || n_threads > THREADS_MAX)
            return 2;
        checksum += phase(strtoull(argv[1], NULL, 10), atoi(argv[2]), n_threads);
    }
    printf("%llu\n", (unsigned long long)checksum);
}

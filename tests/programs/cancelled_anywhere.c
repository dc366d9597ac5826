/* Threads that allocate without a pause are cancelled at any instruction, most often inside of the recorder; their
 * cleanup handlers allocate too, and those of C++ would run. Wants an allocator that may be interrupted
 * (oracle/reentrant_malloc.c). `cancelled_anywhere N_THREADS` prints how many were cleaned up, and how many allocations of
 * 40 bytes began and ended. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static _Atomic int n_cleaned_up;
/* Without them the compiler leaves out what nobody looks at. */
static void *(*volatile allocate)(size_t) = malloc;
static void (*volatile give_back)(void *) = free;
static _Atomic long n_begun, n_done;
enum { AT_ONCE = 4, CALLS_MAX = 500 };

struct worker {
    pthread_t thread;
    _Atomic long n_done;
};

/* As gcc compiles a destructor of C++: found by the unwinder in the frame's table. */
static void clean_up(int *unused) {
    (void)unused;
    give_back(allocate(88));
    n_cleaned_up++;
}

__attribute__((noinline)) static void allocates(int n) {
    if (n > 0) {
        allocates(n - 1);
        __asm__ volatile("");
        return;
    }
    n_begun++;
    void *block = allocate(40);
    n_done++;
    give_back(block);
}

/* Can be cancelled in here alone, so that its caller is always in a call that the table has a destructor for. */
__attribute__((noinline)) static void allocates_until_cancelled(struct worker *worker) {
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;) {
        allocates(6);
        worker->n_done++;
    }
}

static void *work(void *worker) {
    __attribute__((cleanup(clean_up))) int guarded = 0;
    (void)guarded;
    allocates_until_cancelled(worker);
    return NULL;
}

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 0;
    for (int i = 0; i < n; i += AT_ONCE) {
        struct worker workers[AT_ONCE] = {0};
        for (int k = 0; k < AT_ONCE; k++)
            pthread_create(&workers[k].thread, NULL, work, &workers[k]);
        for (int k = 0; k < AT_ONCE; k++) {
            while (workers[k].n_done <= i * 7 % CALLS_MAX)
                sched_yield();
            pthread_cancel(workers[k].thread);
        }
        for (int k = 0; k < AT_ONCE; k++)
            pthread_join(workers[k].thread, NULL);
    }
    printf("%d %ld %ld\n", n_cleaned_up, n_begun, n_done);
    for (int i = 0; i < 100000; i++)
        give_back(allocate(99));
    return 0;
}

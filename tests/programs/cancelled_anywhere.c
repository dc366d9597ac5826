/* Threads that allocate without a pause are cancelled at any instruction, most often inside of the recorder; their
 * cleanup handlers allocate too, and those of C++ would run. Wants an allocator that may be interrupted
 * (oracle/reentrant_malloc.c). `cancelled_anywhere N_THREADS` prints how many were cleaned up, and how many allocations of
 * 40 bytes began and ended. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static _Atomic int n_cleaned_up, n_at_work;
/* Without them the compiler leaves out what nobody looks at. */
static void *(*volatile allocate)(size_t) = malloc;
static void (*volatile give_back)(void *) = free;
static _Atomic long n_begun, n_done;
enum { AT_ONCE = 4 };

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

static void *work(void *argument) {
    __attribute__((cleanup(clean_up))) int guarded = 0;
    (void)guarded;
    n_at_work++;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;)
        allocates(6);
    return argument;
}

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 0;
    for (int i = 0; i < n; i += AT_ONCE) {
        pthread_t threads[AT_ONCE];
        for (int k = 0; k < AT_ONCE; k++)
            pthread_create(&threads[k], NULL, work, NULL);
        while (n_at_work < i + AT_ONCE)
            sched_yield();
        usleep(i % 500);
        for (int k = 0; k < AT_ONCE; k++)
            pthread_cancel(threads[k]);
        for (int k = 0; k < AT_ONCE; k++)
            pthread_join(threads[k], NULL);
    }
    printf("%d %ld %ld\n", n_cleaned_up, n_begun, n_done);
    for (int i = 0; i < 100000; i++)
        give_back(allocate(99));
    return 0;
}

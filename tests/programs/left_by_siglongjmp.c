/* A timer's handler leaves by siglongjmp, again and again, a program that does nothing but allocate: most often from
 * the inside of the recorder. Between two jumps new blocks of many sizes and stacks make the recording grow, so that
 * what grows it is left half done too. Wants an allocator that may be interrupted (oracle/reentrant_malloc.c).
 * `left_by_siglongjmp N_JUMPS [alternate]` writes to LEFT_FILE how many calls it began and ended before it stopped the
 * timer, and then allocates 100,000 blocks of 99 bytes in peace. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

static volatile uint64_t *counts;
enum { BEGUN, DONE };
static sigjmp_buf back;
static volatile sig_atomic_t n_jumps, n_jumps_wanted;

static void on_tick(int signal) {
    (void)signal;
    if (n_jumps < n_jumps_wanted) {
        n_jumps++;
        siglongjmp(back, 1);
    }
}

/* A stack of its own for each number: bit by bit one of two calls. */
__attribute__((noinline)) static void *allocates(unsigned number) {
    void *block;
    if (number < 2) {
        counts[BEGUN]++;
        block = malloc(40);
        counts[DONE]++;
    } else if (number & 1) {
        block = allocates(number / 2);
    } else {
        block = allocates(number / 2);
        __asm__ volatile("");
    }
    __asm__ volatile("" ::: "memory");
    return block;
}

int main(int argc, char **argv) {
    int file = open(getenv("LEFT_FILE"), O_RDWR);
    counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (argc < 2 || counts == MAP_FAILED)
        return 2;
    n_jumps_wanted = atoi(argv[1]);
    static char stack[128 * 1024];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    if (argc > 2 && sigaltstack(&alternate, NULL) != 0)
        return 3;
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = argc > 2 ? SA_ONSTACK : 0};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval timer = {{0, 197}, {0, 197}}, off = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &timer, NULL);
    static volatile unsigned number;
    sigsetjmp(back, 1);
    while (n_jumps < n_jumps_wanted)
        allocates(++number * 2654435761u);
    setitimer(ITIMER_REAL, &off, NULL);
    static void *(*volatile allocate)(size_t) = malloc;
    for (int i = 0; i < 100000; i++)
        free(allocate(99));
    puts("done");
    return 0;
}

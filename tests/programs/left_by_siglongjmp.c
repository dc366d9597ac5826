/* A timer's handler leaves by siglongjmp, again and again, a program that does nothing but allocate: most often from
 * the inside of the recorder. Between two jumps new blocks of many stacks make the recording grow, so that what grows it
 * is left half done too. Wants an allocator that may be interrupted (oracle/reentrant_malloc.c).
 * `left_by_siglongjmp N_JUMPS N_CALLS [alternate]` goes on until so many calls were left and so many more have ended,
 * writes to LEFT_FILE how many it began and ended, and then allocates 100,000 blocks of 99 bytes in peace. */
#define _GNU_SOURCE
#include "ticks.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile uint64_t *counts;
enum { BEGUN, DONE, IN_PEACE = 20 };
static sigjmp_buf back;

static void on_tick(int signal) {
    (void)signal;
    if (ticked_in_call())
        siglongjmp(back, 1);
}

/* A stack of its own for each number: bit by bit one of two calls. */
__attribute__((noinline)) static void *allocates(unsigned number) {
    void *block;
    if (number < 2) {
        counts[BEGUN]++;
        is_in_call = 1;
        block = malloc(40);
        is_in_call = 0;
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

static void allocates_anew(void) {
    static volatile unsigned number;
    allocates(++number * 2654435761u);
}

int main(int argc, char **argv) {
    int file = open(getenv("LEFT_FILE"), O_RDWR);
    counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (argc < 3 || counts == MAP_FAILED)
        return 2;
    int n_jumps_wanted = atoi(argv[1]);
    uint64_t n_calls_wanted = strtoul(argv[2], NULL, 10);
    static char stack[128 * 1024];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    if (argc > 3 && sigaltstack(&alternate, NULL) != 0)
        return 3;
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = argc > 3 ? SA_ONSTACK : 0};
    sigaction(SIGALRM, &action, NULL);
    sigsetjmp(back, 1);
    is_in_call = 0;
    while (n_ticks < n_jumps_wanted || counts[DONE] < n_calls_wanted) {
        /* The machine may be too slow to do more than this between two ticks. */
        for (int i = 0; i < IN_PEACE; i++)
            allocates_anew();
        await_tick();
        do
            allocates_anew();
        while (!has_ticked);
    }
    static void *(*volatile allocate)(size_t) = malloc;
    for (int i = 0; i < 100000; i++)
        free(allocate(99));
    puts("done");
    return 0;
}

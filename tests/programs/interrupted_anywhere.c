// A timer's handler that allocates and notes its stack, at any instruction of an allocation: most often inside of the
// recorder. Wants an allocator that may be interrupted (oracle/reentrant_malloc.c).
// `interrupted_anywhere OUTPUT N_NOTES [alternate]`
#define _GNU_SOURCE
#include "noted.h"
#include "ticks.h"


__attribute__((noinline)) static void in_the_handler(void) { NOTED("tick", 24); }

static void on_tick(int signal) {
    (void)signal;
    if (ticked_in_call())
        CALL(in_the_handler());
}

__attribute__((noinline)) static void allocates(int n) {
    if (n > 0)
        CALL(allocates(n - 1));
    is_in_call = 1;
    void *volatile block = malloc(40), *volatile other = calloc(2, 20);
    free(other);
    free(block);
    is_in_call = 0;
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    start_notes();
    int n_notes_wanted = atoi(argv[2]);
    static char stack[128 * 1024];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    if (argc > 3 && sigaltstack(&alternate, NULL) != 0)
        return 3;
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART | (argc > 3 ? SA_ONSTACK : 0)};
    sigaction(SIGALRM, &action, NULL);
    while (n_ticks < n_notes_wanted) {
        await_tick();
        do
            CALL(allocates(12));
        while (!has_ticked);
    }
    write_notes(argv[1]);
    return 0;
}

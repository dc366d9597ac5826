// Signal handlers that allocate: raised, and by a timer at any instruction; on the normal and on an alternate stack.
// `signals OUTPUT [alternate]`
//
// What the timer interrupts allocates nothing itself, so the handler may. It is a function with a prologue of many
// pushes, so that many of the interrupted instructions are between a call and the next stable frame, and one that calls
// nothing: some processors have the return address in a register alone then.
#define _GNU_SOURCE
#include "noted.h"
#include "ticks.h"

#include <string.h>

enum { TICKS = 60 };

__attribute__((noinline)) static void in_the_handler(const char *name) { NOTED(name, 16); }

static void on_raise(int signal) {
    (void)signal;
    CALL(in_the_handler("raised"));
}
static void on_tick(int signal) {
    (void)signal;
    if (ticked_in_call())
        CALL(in_the_handler("tick"));
}

static volatile long sink[8];
__attribute__((noinline)) static long many_registers(long a, long b, long c, long d) {
    long e = sink[0], f = sink[1], g = sink[2], h = sink[3];
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g), "+r"(h) : : "memory");
#ifdef __x86_64__
    __asm__ volatile("" ::: "rbx", "r12", "r13", "r14", "r15", "memory");
#else
    __asm__ volatile("" ::: "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "memory");
#endif
    return a + b * c - d + e + f * g - h;
}

__attribute__((noinline)) static long over_aligned(long a) {
    char room[96] __attribute__((aligned(64)));
    __asm__ volatile("" : : "r"(room) : "memory");
    return many_registers(a, (long)room, 3, 4);
}

__attribute__((noinline)) static void spins(void) {
    is_in_call = 1;
    while (n_ticks < TICKS) {
        await_tick();
        do
            sink[0] += many_registers(1, 2, sink[4], 4) + over_aligned(5);
        while (!has_ticked);
    }
    is_in_call = 0;
}

__attribute__((noinline)) static void raises(int n) {
    CALL(raise(SIGUSR1));
    if (n > 0)
        CALL(raises(n - 1));
}

int main(int argc, char **argv) {
    if (argc < 2)
        return 2;
    start_notes();
    int on_alternate_stack = argc > 2 && strcmp(argv[2], "alternate") == 0;
    static char stack[128 * 1024];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    if (on_alternate_stack && sigaltstack(&alternate, NULL) != 0)
        return 3;
    struct sigaction action = {.sa_handler = on_raise, .sa_flags = on_alternate_stack ? SA_ONSTACK : 0};
    sigaction(SIGUSR1, &action, NULL);
    CALL(raises(2));
    action.sa_handler = on_tick;
    sigaction(SIGALRM, &action, NULL);
    CALL(spins());
    write_notes(argv[1]);
    return 0;
}

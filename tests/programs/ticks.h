// A timer that interrupts calls: armed anew for each tick, so that between two of them the program gets on, however slow
// the machine is. A tick that came between calls is not counted, and the next one comes later: what a test asks for is a
// number of interrupted calls, whatever time they take.
#pragma once
#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

// Set by the program while it is in a call that ticks are meant for.
static volatile sig_atomic_t is_in_call;
static volatile sig_atomic_t n_ticks;
static volatile sig_atomic_t has_ticked;
enum { SHORTEST_US = 10, SPREAD_US = 100, LONGEST_US = 20000 };
static volatile long patience_us = SHORTEST_US;

// Has one tick come, some time from now.
static void await_tick(void) {
    static unsigned turn;
    has_ticked = 0;
    struct itimerval timer = {{0, 0}, {0, patience_us + (long)(turn++ * 37 % SPREAD_US)}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

// For the handler, first: whether the tick interrupts a call, and so counts.
static int ticked_in_call(void) {
    has_ticked = 1;
    if (!is_in_call) {
        patience_us = patience_us * 2 < LONGEST_US ? patience_us * 2 : LONGEST_US;
        return 0;
    }
    patience_us = SHORTEST_US;
    n_ticks++;
    return 1;
}

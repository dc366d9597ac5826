/* A server that forks a process for each request, of which two run at once.
 *
 *   forking REQUESTS STEPS [PACE]
 *
 * A child allocates and frees for STEPS steps by its number, leaves a third of what it has, and ends by exit, by _exit or by
 * SIGKILL. What each does is the same each time. PACE is that of room.h. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "room.h"

enum { SLOTS = 60, BETWEEN_LOOKS = 64 };

static __attribute__((noinline)) void *of_request(size_t size) {
    void *block = malloc(size);
    *(volatile char *)block = 1;
    return block;
}

static __attribute__((noinline)) void *of_child(size_t size) {
    void *block = calloc(1, size);
    *(volatile char *)block = 1;
    return block;
}

static __attribute__((noinline)) void *of_some_children(size_t size) {
    void *block = malloc(size + 1000);
    *(volatile char *)block = 1;
    return block;
}

static void answer(uint64_t number, unsigned long steps) {
    void *slots[SLOTS] = {0};
    uint64_t random = number * 2654435761u + 1;
    for (unsigned long step = 0; step < steps; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        void **slot = &slots[random % SLOTS];
        if (step % BETWEEN_LOOKS == 0)
            wait_for_room();
        if (*slot) {
            free(*slot);
            *slot = NULL;
        } else {
            size_t size = 16 + (random >> 20) % 300;
            *slot = number % 3 ? of_child(size) : of_some_children(size);
        }
    }
    for (int n = 0; n < SLOTS; n++)
        if (n % 3)
            free(slots[n]);
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    unsigned long n_requests = strtoul(argv[1], NULL, 10), steps = strtoul(argv[2], NULL, 10);
    look_at_room(argc > 3 ? strtoul(argv[3], NULL, 10) : 0);
    for (unsigned long n = 0; n < n_requests; n++) {
        /* One in ten stays, and a child frees what is its parent's. */
        void *request = of_request(100 + n % 7);
        wait_for_room();
        pid_t child = fork();
        if (child < 0)
            return 3;
        if (child == 0) {
            answer(n, steps);
            free(request);
            if (n % 3 == 0)
                kill(getpid(), SIGKILL);
            if (n % 3 == 1)
                _exit(0);
            exit(0);
        }
        if (n % 10)
            free(request);
        if (n > 0)
            wait(NULL);
    }
    while (wait(NULL) > 0)
        ;
    return 0;
}

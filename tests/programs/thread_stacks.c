// Notes allocations of the first thread and of others, some steps deep; "qsort": in a function that the C library calls back.
#include "noted.h"
#include <pthread.h>
#include <string.h>

__attribute__((noinline)) static void steps(int n) {
    volatile char frame[64];
    frame[n] = 1;
    if (n > 0)
        steps(n - 1);
    else
        NOTED("steps", 100);
    frame[n] = 2;
}

static int compares(const void *one, const void *other) {
    NOTED("compares", 50);
    return *(const char *)one - *(const char *)other;
}

static void *run(void *argument) {
    for (int n = 0; n < 20; n++)
        steps(n);
    return argument;
}

int main(int argc, char **argv) {
    start_notes();
    run(NULL);
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, NULL) || pthread_join(thread, NULL))
            return 1;
    }
    if (argc > 2 && !strcmp(argv[2], "qsort")) {
        char letters[] = "ba";
        qsort(letters, 2, 1, compares);
    }
    write_notes(argv[1]);
    return 0;
}

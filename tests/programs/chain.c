// Three calls to an allocation, without frame pointers: what their unwind table does not tell nobody can. argv[1], if given, is
// where the notes go.
#include "noted.h"

__attribute__((noinline)) static void leaf(int n) { CALL(NOTED("leaf", 100 + n)); }

__attribute__((noinline)) static void inner(int n) {
    char room[64];
    room[n & 63] = 1;
    __asm__ volatile("" ::"r"(room));
    CALL(leaf(n));
    __asm__ volatile("" ::"r"(room));
}

__attribute__((noinline)) static void outer(int n) {
    char room[200];
    room[n & 127] = 1;
    __asm__ volatile("" ::"r"(room));
    CALL(inner(n));
    __asm__ volatile("" ::"r"(room));
}

int main(int argc, char **argv) {
    start_notes();
    for (int n = 0; n < 50; n++)
        CALL(outer(n));
    if (argc > 1)
        write_notes(argv[1]);
    return 0;
}

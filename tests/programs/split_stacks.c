// A recursion on split stacks (gcc -fsplit-stack): most frames are on a stack of their own, which libgcc's __morestack
// went on to. argv[1] is where the notes go.
#include "noted.h"

void __morestack(void);

__attribute__((noinline)) static int deeper(int n) {
    char room[3000];
    room[n] = (char)n;
    __asm__ volatile("" ::"r"(room) : "memory");
    CALL(NOTED("deeper", 100 + n));
    int sum = n == 0 ? 0 : deeper(n - 1);
    CALL(NOTED("outward", 500 + n));
    return sum + room[n];
}

int main(int argc, char **argv) {
    start_notes();
    int sum = deeper(30);
    // Where taking the note went on to another stack, that is a frame of its own.
    for (size_t i = 0; i < n_notes; i++)
        if (notes[i].frames[1] - (uintptr_t)__morestack < 256) {
            notes[i].frames++;
            notes[i].n_frames--;
        }
    if (argc > 1)
        write_notes(argv[1]);
    return sum == 0;
}

// Functions without unwind tables but with frame pointers: built with -fno-asynchronous-unwind-tables
// -fno-unwind-tables -fno-omit-frame-pointer. The noted stack is the chain of frame pointers: `guessed OUTPUT`.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uintptr_t frames[64];
static int n_frames;
static void *block;

__attribute__((noinline)) static void innermost(void) {
    block = malloc(16);
    uintptr_t *frame = (uintptr_t *)__builtin_frame_address(0);
    // innermost, three times middle, main: what main returns to is the C library's, which has tables.
    for (; n_frames < 5; frame = (uintptr_t *)frame[0])
        frames[n_frames++] = frame[1];
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) static void middle(int n) {
    if (n > 0)
        middle(n - 1);
    else
        innermost();
    __asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    middle(2);
    FILE *file = fopen(argv[1], "w");
    if (!file)
        return 3;
    fprintf(file, "bias 0\nnote guessed %lx 0", (unsigned long)(uintptr_t)block);
    for (int i = 0; i < n_frames; i++)
        fprintf(file, " %lx", (unsigned long)frames[i]);
    fprintf(file, "\n");
    return fclose(file) == 0 ? 0 : 4;
}

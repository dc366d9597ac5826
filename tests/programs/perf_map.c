// Makes code at run time that calls malloc, with frame pointers and no unwind table, and lists it as JIT compilers do, in
// /tmp/perf-PID.map. `perf_map NAME...`: a function of each name, one after the other at other addresses; with `same` first, all at one.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *volatile kept;

#ifdef __x86_64__
// push %rbp; mov %rsp,%rbp; call *%rsi; pop %rbp; ret
static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd6, 0x5d, 0xc3};
#else
// stp x29,x30,[sp,-16]!; mov x29,sp; blr x1; ldp x29,x30,[sp],16; ret
static const unsigned code[] = {0xa9bf7bfd, 0x910003fd, 0xd63f0020, 0xa8c17bfd, 0xd65f03c0};
#endif

__attribute__((noinline)) static void allocate(long size) {
    kept = malloc((size_t)size);
    __asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv) {
    int is_same = argc > 1 && strcmp(argv[1], "same") == 0;
    unsigned char *room = mmap(NULL, 65536, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    FILE *list = fopen(path, "w");
    if (room == MAP_FAILED || !list)
        return 1;
    for (int i = 1 + is_same; i < argc; i++) {
        unsigned char *function = room + (is_same ? 0 : 64 * i);
        memcpy(function, code, sizeof code);
        __builtin___clear_cache((char *)function, (char *)function + sizeof code);
        fprintf(list, "%lx %x %s\n", (unsigned long)function, (unsigned)sizeof code, argv[i]);
        ((void (*)(long, void (*)(long)))function)(1000 + i, allocate);
    }
    return fclose(list);
}

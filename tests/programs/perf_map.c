// Makes code at run time that calls malloc, with frame pointers and no unwind table, and lists it as JIT compilers do, in
// /tmp/perf-PID.map. `perf_map NAME...`: a function of each name, one after the other at other addresses; with `same` first, all at one;
// with `dump` first, listed as perf's dump of the working directory, jit-PID.dump, with its code.
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

static void write_word(FILE *dump, unsigned word) { fwrite(&word, sizeof word, 1, dump); }

static void write_long(FILE *dump, unsigned long number) { fwrite(&number, sizeof number, 1, dump); }

static void write_header(FILE *dump) {
    const unsigned words[] = {0x4a695444, 1, 40, 62, 0, (unsigned)getpid(), 0, 0, 0, 0};
    fwrite(words, sizeof words, 1, dump);
}

static void write_function(FILE *dump, const void *function, const char *name) {
    const unsigned length = 16 + 40 + (unsigned)strlen(name) + 1 + sizeof code;
    write_word(dump, 0);
    write_word(dump, length);
    write_long(dump, 0);
    write_word(dump, (unsigned)getpid());
    write_word(dump, (unsigned)getpid());
    write_long(dump, (unsigned long)function);
    write_long(dump, (unsigned long)function);
    write_long(dump, sizeof code);
    write_long(dump, 1);
    fwrite(name, strlen(name) + 1, 1, dump);
    fwrite(code, sizeof code, 1, dump);
}

int main(int argc, char **argv) {
    int is_same = argc > 1 && strcmp(argv[1], "same") == 0;
    int is_dump = argc > 1 && strcmp(argv[1], "dump") == 0;
    unsigned char *room = mmap(NULL, 65536, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char path[64];
    snprintf(path, sizeof path, is_dump ? "jit-%d.dump" : "/tmp/perf-%d.map", (int)getpid());
    FILE *list = fopen(path, "w");
    if (room == MAP_FAILED || !list)
        return 1;
    if (is_dump)
        write_header(list);
    for (int i = 1 + is_same + is_dump; i < argc; i++) {
        unsigned char *function = room + (is_same ? 0 : 64 * i);
        memcpy(function, code, sizeof code);
        __builtin___clear_cache((char *)function, (char *)function + sizeof code);
        if (is_dump)
            write_function(list, function, argv[i]);
        else
            fprintf(list, "%lx %x %s\n", (unsigned long)function, (unsigned)sizeof code, argv[i]);
        ((void (*)(long, void (*)(long)))function)(1000 + i, allocate);
    }
    return fclose(list);
}

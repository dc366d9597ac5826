// Code made at run time calls malloc: with frame pointers and without unwind tables (as most JIT compilers make it), and
// with a table that is registered (__register_frame) and without frame pointers. Other code comes to its address later.
// `generated_code OUTPUT registered|unregistered`
#define _GNU_SOURCE
#include "noted.h"

#include <string.h>

extern void __register_frame(void *), __deregister_frame(void *);

__attribute__((noinline)) static void innermost(void) { NOTED("generated", 16); }

#ifdef __x86_64__
// push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret
static const unsigned char with_frame_pointer[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
// sub $N,%rsp; xor %ebp,%ebp would damage rbp: it is left alone. call *%rdi; add $N,%rsp; ret
static const unsigned char without_frame_pointer[] = {0x48, 0x83, 0xec, 0, 0xff, 0xd7, 0x48, 0x83, 0xc4, 0, 0xc3};
static void set_room(unsigned char *code, unsigned char room) { code[3] = code[9] = room; }

// A table of one function: a CIE (code 1, data -8, return address 16, CFA = rsp + 8, return address at CFA - 8) and a
// FDE that says CFA = rsp + 8 + N behind the first instruction.
#define CIE 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1
// advance 4; def_cfa_offset 8 + room; advance 6; def_cfa_offset 8.
#define FDE(room) 0x44, 0x0e, (unsigned char)(8 + (room)), 0x46, 0x0e, 8
#else
// stp x29,x30,[sp,-16]!; mov x29,sp; blr x0; ldp x29,x30,[sp],16; ret
static const unsigned with_frame_pointer[] = {0xa9bf7bfd, 0x910003fd, 0xd63f0000, 0xa8c17bfd, 0xd65f03c0};
// sub sp,sp,N; str x30,[sp]; blr x0; ldr x30,[sp]; add sp,sp,N; ret
static const unsigned without_frame_pointer[] = {0xd10003ff, 0xf90003fe, 0xd63f0000, 0xf94003fe, 0x910003ff, 0xd65f03c0};
static void set_room(unsigned char *code, unsigned room) {
    unsigned *instructions = (unsigned *)code;
    instructions[0] |= room << 10, instructions[4] |= room << 10;
}

// The same: return address 30, CFA = sp; CFA = sp + N and the return address at its lower end behind the second instruction.
#define CIE 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0x78, 30, 0x0c, 31, 0, 0, 0
// advance 8; def_cfa_offset room; offset x30, -room; advance 12; def_cfa_offset 0; restore x30.
#define FDE(room) 0x48, 0x0e, (room), 0x9e, (room) / 8, 0x4c, 0x0e, 0, 0xde
#endif
static void write_table(unsigned char *table, const unsigned char *code, size_t code_bytes, unsigned char room) {
    static const unsigned char cie[24] = {CIE};
    unsigned char fde[40] = {36, 0, 0, 0, 28, 0, 0, 0};
    uintptr_t start = (uintptr_t)code;
    memcpy(fde + 8, &start, 8);
    memcpy(fde + 16, &code_bytes, 8);
    const unsigned char program[] = {FDE(room)};
    memcpy(fde + 24, program, sizeof program);
    memset(table, 0, 128);
    memcpy(table, cie, sizeof cie);
    memcpy(table + sizeof cie, fde, sizeof fde);
}

__attribute__((noinline)) static void calls(void *code) { CALL(((void (*)(void (*)(void)))code)(innermost)); }

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    start_notes();
    unsigned char *code = (unsigned char *)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static unsigned char table[128] __attribute__((aligned(8)));
    for (int round = 0; round < 6; round++) {
        // What is right where a call pushes its return address, and where it does not.
        unsigned char room = (unsigned char)((sizeof *with_frame_pointer == 1 ? 8 : 16) + 16 * round);
        if (strcmp(argv[2], "registered") == 0) {
            memcpy(code, without_frame_pointer, sizeof without_frame_pointer);
            set_room(code, room);
            __builtin___clear_cache((char *)code, (char *)code + sizeof without_frame_pointer);
            write_table(table, code, sizeof without_frame_pointer, room);
            __register_frame(table);
            CALL(calls(code));
            __deregister_frame(table);
        } else {
            memcpy(code, with_frame_pointer, sizeof with_frame_pointer);
            __builtin___clear_cache((char *)code, (char *)code + sizeof with_frame_pointer);
            CALL(calls(code));
        }
    }
    write_notes(argv[1]);
    return 0;
}

// Unwind tables that lie: frames that are their own callers, found by rbp and by a control block. Only the walk goes there.
#include <stdio.h>
#include <stdlib.h>

// Both call `allocates` with a frame below whose caller is the same call, at the same place of `frame`.
void circle_by_rbp(void *frame), circle_by_block(void *frame);
#ifdef __x86_64__
__asm__(".text\n.globl circle_by_rbp\n.type circle_by_rbp,@function\ncircle_by_rbp:\n.cfi_startproc\n"
        "push %rbp\n .cfi_def_cfa_offset 16\n .cfi_offset %rbp,-16\n mov %rdi,%rbp\n .cfi_def_cfa %rbp,16\n"
        "mov %rbp,(%rbp)\n lea 1f(%rip),%rax\n mov %rax,8(%rbp)\n call allocates\n"
        "1: pop %rbp\n .cfi_def_cfa %rsp,8\n .cfi_restore %rbp\n ret\n.cfi_endproc\n.size circle_by_rbp,.-circle_by_rbp\n");
// cfa = *(r12 + 16) + 16, where it says frame.
__asm__(".globl circle_by_block\n.type circle_by_block,@function\ncircle_by_block:\n.cfi_startproc\n"
        "push %r12\n .cfi_def_cfa_offset 16\n .cfi_offset %r12,-16\n mov %rdi,%r12\n .cfi_escape 0x0f,5,0x7c,16,0x06,0x23,16\n"
        "mov %r12,(%r12)\n lea 1f(%rip),%rax\n mov %rax,8(%r12)\n mov %r12,16(%r12)\n call allocates\n"
        "1: pop %r12\n .cfi_def_cfa %rsp,8\n .cfi_restore %r12\n ret\n.cfi_endproc\n.size circle_by_block,.-circle_by_block\n");
#else
// By x29 and x21.
#define CIRCLE(name, register, cfa, keeps)                                                                             \
    __asm__(".text\n.globl " name "\n.type " name ",%function\n" name ":\n.cfi_startproc\n"                            \
            "stp x" register ",x30,[sp,-16]!\n .cfi_def_cfa_offset 16\n .cfi_offset " register ",-16\n"                \
            ".cfi_offset 30,-8\n mov x" register ",x0\n" cfa "str x0,[x0]\n adr x9,1f\n str x9,[x0,8]\n" keeps          \
            "bl allocates\n1: ldp x" register ",x30,[sp],16\n .cfi_def_cfa 31,0\n .cfi_restore " register "\n"         \
            ".cfi_restore 30\n ret\n.cfi_endproc\n.size " name ",.-" name "\n");
CIRCLE("circle_by_rbp", "29", ".cfi_def_cfa 29,16\n", "")
CIRCLE("circle_by_block", "21", ".cfi_escape 0x0f,5,0x85,16,0x06,0x23,16\n", "str x0,[x0,16]\n")
#endif

// Volatile: a block that nobody looks at need not be allocated.
static void *volatile kept;

void allocates(void) {
    for (int i = 0; i < 20; i++) {
        kept = malloc(100);
        if (!kept)
            abort();
    }
}

int main(void) {
    static void *frame[2][4] __attribute__((aligned(16)));
    circle_by_rbp(frame[0]);
    circle_by_block(frame[1]);
    puts("done");
    return 0;
}

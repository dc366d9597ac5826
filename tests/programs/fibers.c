// Fibers switched by hand: assembly that exchanges stack pointers, stacks from one mapping side by side, from the heap,
// and unmapped after use so that others come to their addresses. Fibers go on in another thread than the one that
// began them. Every fiber notes its stack, whose outer end is a zero return address. `fibers OUTPUT`
#define _GNU_SOURCE
#include "noted.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { STACK = 32 * 1024, N_FIBERS = 24, N_ROUNDS = 6 };

struct fiber {
    void *sp, *back;
    char *stack;
    long number;
};

void switch_to(void **save, void *load);
void fiber_starts(void);
#ifdef __x86_64__
enum { N_SAVED = 7, RETURNS_TO = 6, ARGUMENT = 4 };
__asm__(".text\n.type switch_to,@function\nswitch_to:\n.cfi_startproc\n"
        "push %rbp\n.cfi_adjust_cfa_offset 8\n.cfi_offset rbp,-16\npush %rbx\n.cfi_adjust_cfa_offset 8\n.cfi_offset rbx,-24\n"
        "push %r12\n.cfi_adjust_cfa_offset 8\npush %r13\n.cfi_adjust_cfa_offset 8\npush %r14\n.cfi_adjust_cfa_offset 8\n"
        "push %r15\n.cfi_adjust_cfa_offset 8\nmov %rsp,(%rdi)\nmov %rsi,%rsp\n"
        "pop %r15\n.cfi_adjust_cfa_offset -8\npop %r14\n.cfi_adjust_cfa_offset -8\npop %r13\n.cfi_adjust_cfa_offset -8\n"
        "pop %r12\n.cfi_adjust_cfa_offset -8\npop %rbx\n.cfi_adjust_cfa_offset -8\n.cfi_restore rbx\n"
        "pop %rbp\n.cfi_adjust_cfa_offset -8\n.cfi_restore rbp\nret\n.cfi_endproc\n.size switch_to,.-switch_to\n"
        // The first switch to a fiber returns here; its argument waits in rbx. Nothing called it.
        ".type fiber_starts,@function\nfiber_starts:\n.cfi_startproc\n.cfi_undefined rip\n"
        "mov %rbx,%rdi\ncall runs\nud2\n.cfi_endproc\n.size fiber_starts,.-fiber_starts\n");
#else
enum { N_SAVED = 12, RETURNS_TO = 1, ARGUMENT = 2 };
__asm__(".text\n.globl switch_to, fiber_starts\n.type switch_to,%function\nswitch_to:\n.cfi_startproc\n"
        "stp x29,x30,[sp,-96]!\n.cfi_def_cfa_offset 96\n.cfi_offset 29,-96\n.cfi_offset 30,-88\n"
        "stp x19,x20,[sp,16]\n.cfi_offset 19,-80\n.cfi_offset 20,-72\nstp x21,x22,[sp,32]\nstp x23,x24,[sp,48]\n"
        "stp x25,x26,[sp,64]\nstp x27,x28,[sp,80]\nmov x9,sp\nstr x9,[x0]\nmov sp,x1\n"
        "ldp x19,x20,[sp,16]\nldp x21,x22,[sp,32]\nldp x23,x24,[sp,48]\nldp x25,x26,[sp,64]\nldp x27,x28,[sp,80]\n"
        "ldp x29,x30,[sp],96\n.cfi_def_cfa_offset 0\n.cfi_restore 29\n.cfi_restore 30\nret\n"
        ".cfi_endproc\n.size switch_to,.-switch_to\n"
        ".type fiber_starts,%function\nfiber_starts:\n.cfi_startproc\n.cfi_undefined 30\n"
        "mov x0,x19\nbl runs\nbrk 1\n.cfi_endproc\n.size fiber_starts,.-fiber_starts\n");
#endif
// What the first switch to a fiber finds saved.
static void *const *first_registers(struct fiber *fiber) {
    static void *registers[N_SAVED];
    registers[RETURNS_TO] = (void *)fiber_starts, registers[ARGUMENT] = fiber;
    return registers;
}

__attribute__((noinline)) static void goes_deeper(struct fiber *fiber, int n) {
    if (n > 0)
        CALL(goes_deeper(fiber, n - 1));
    else
        NOTED("fiber", 16 + fiber->number);
    CALL(switch_to(&fiber->sp, fiber->back));
    NOTED("fiber_again", 16 + fiber->number);
}

__attribute__((noinline, used)) void runs(struct fiber *fiber) {
    // Always: of a function that seems to return nowhere, no return address is kept.
    while (fiber->number >= 0)
        CALL(goes_deeper(fiber, (int)(fiber->number % 3)));
}

__attribute__((noinline)) static void resume(struct fiber *fiber) {
    NOTED("before_the_switch", 200);
    CALL(switch_to(&fiber->back, fiber->sp));
    NOTED("after_the_switch", 200);
}

static void make(struct fiber *fiber, char *stack, long number) {
    void **top = (void **)(stack + STACK - 64);
    memcpy(top - N_SAVED, first_registers(fiber), N_SAVED * sizeof(void *));
    *fiber = (struct fiber){.sp = top - N_SAVED, .stack = stack, .number = number};
}

static struct fiber fibers[N_FIBERS];

static void *resumes_all(void *argument) {
    for (int i = 0; i < N_FIBERS; i++)
        CALL(resume(&fibers[i]));
    return argument;
}

__attribute__((noinline)) static void in_two_threads(void) {
    for (int round = 0; round < N_ROUNDS; round++) {
        CALL(resumes_all(NULL));
        pthread_t thread;
        pthread_create(&thread, NULL, resumes_all, NULL);
        pthread_join(thread, NULL);
    }
}

static char *map(size_t bytes) {
    char *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        abort();
    return room;
}

static void on_fault(int signal) {
    (void)signal;
    static const char text[] = "a fault\n";
    if (write(2, text, sizeof text - 1) < 0)
        _exit(98);
    _exit(99);
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    signal(SIGSEGV, on_fault);
    start_notes();
    char *side_by_side = map(N_FIBERS * (size_t)STACK);
    for (int i = 0; i < N_FIBERS; i++)
        make(&fibers[i], i % 3 ? side_by_side + i * (size_t)STACK : (char *)aligned_alloc(16, STACK), i);
    CALL(in_two_threads());
    // One after the other at the same address, each unmapped after it.
    for (int i = 0; i < N_FIBERS; i++) {
        char *stack = map(STACK);
        make(&fibers[0], stack, i);
        for (int round = 0; round < 3; round++)
            CALL(resume(&fibers[0]));
        munmap(stack, STACK);
    }
    write_notes(argv[1]);
    return 0;
}

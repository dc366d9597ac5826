// Code that goes on to another stack, as Rust's stacker, split stacks, coroutines in assembly and OCaml 5 do: the caller's
// stack pointer is kept in rbp, in rbx, on the new stack, or in a control block on the heap. To stacks at
// lower and higher addresses, on the heap and on the old stack; one from another, in circles; and to stacks that have
// been unmapped and are mapped anew, with another length. argv[1] is where the notes go.
#include "noted.h"
#include <pthread.h>

typedef void run(void *argument);
typedef void on_stack(run *function, void *argument, void *top, void *block);

#ifdef __x86_64__
// The registers of a call are rdi function, rsi argument, rdx top, rcx block.
#define FUNCTION_OF_KIND(kind, name, body)                                                                             \
    __asm__(".text\n.globl " name "\n.type " name ",@function\n" name ":\n.cfi_startproc\n" kind body                  \
            "ret\n.cfi_endproc\n.size " name ",.-" name "\n");
#define FUNCTION(name, body) FUNCTION_OF_KIND("", name, body)
#define CALL_IT "mov %rdi,%rax\n mov %rsi,%rdi\n call *%rax\n"
FUNCTION("by_rbp", "push %rbp\n .cfi_def_cfa %rsp,16\n .cfi_offset %rbp,-16\n mov %rsp,%rbp\n"
                   ".cfi_def_cfa_register %rbp\n mov %rdx,%rsp\n" CALL_IT
                   "mov %rbp,%rsp\n pop %rbp\n .cfi_def_cfa %rsp,8\n")
FUNCTION("by_rbx", "push %rbx\n .cfi_def_cfa %rsp,16\n .cfi_offset %rbx,-16\n mov %rsp,%rbx\n"
                   ".cfi_def_cfa_register %rbx\n mov %rdx,%rsp\n" CALL_IT
                   "mov %rbx,%rsp\n pop %rbx\n .cfi_def_cfa %rsp,8\n")
// cfa = *rsp + 8
FUNCTION("by_expression", "lea -16(%rdx),%rdx\n mov %rsp,(%rdx)\n mov %rdx,%rsp\n"
                          ".cfi_escape 0x0f,5,0x77,0,0x06,0x23,8\n" CALL_IT "mov (%rsp),%rsp\n .cfi_def_cfa %rsp,8\n")
// cfa = *(r12 + 16) + 16
FUNCTION("by_block", "push %r12\n .cfi_def_cfa %rsp,16\n .cfi_offset %r12,-16\n mov %rcx,%r12\n mov %rsp,16(%r12)\n"
                     "mov %rdx,%rsp\n .cfi_escape 0x0f,5,0x7c,16,0x06,0x23,16\n" CALL_IT
                     "mov 16(%r12),%rsp\n .cfi_def_cfa %rsp,16\n pop %r12\n .cfi_def_cfa %rsp,8\n")
// As by_expression, marked as a signal's frame: OCaml 5 does so. cfa = *(rsp + 8) + 8
FUNCTION_OF_KIND(".cfi_signal_frame\n", "by_marked",
                 "lea -16(%rdx),%rdx\n mov %rsp,8(%rdx)\n mov %rdx,%rsp\n"
                 ".cfi_escape 0x0f,5,0x77,8,0x06,0x23,8\n" CALL_IT "mov 8(%rsp),%rsp\n .cfi_def_cfa %rsp,8\n")
#else
// The same by x29, x19 and x21; they are x0 function, x1 argument, x2 top, x3 block. The return address is saved first.
#define FUNCTION_OF_KIND(kind, name, kept, body, back)                                                                 \
    __asm__(".text\n.globl " name "\n.type " name ",%function\n" name ":\n.cfi_startproc\n" kind                      \
            "stp x" kept ",x30,[sp,-16]!\n .cfi_def_cfa 31,16\n .cfi_offset " kept ",-16\n .cfi_offset 30,-8\n" body   \
            "mov x9,x0\n mov x0,x1\n blr x9\n" back "mov sp,x9\n .cfi_def_cfa 31,16\n ldp x" kept                      \
            ",x30,[sp],16\n .cfi_def_cfa 31,0\n .cfi_restore " kept "\n .cfi_restore 30\n"                             \
            "ret\n.cfi_endproc\n.size " name ",.-" name "\n");
#define FUNCTION(name, kept, body, back) FUNCTION_OF_KIND("", name, kept, body, back)
FUNCTION("by_rbp", "29", "mov x29,sp\n .cfi_def_cfa_register 29\n mov sp,x2\n", "mov x9,x29\n")
FUNCTION("by_rbx", "19", "mov x19,sp\n .cfi_def_cfa_register 19\n mov sp,x2\n", "mov x9,x19\n")
FUNCTION("by_expression", "29",
         "sub x2,x2,16\n mov x9,sp\n str x9,[x2]\n mov sp,x2\n .cfi_escape 0x0f,5,0x8f,0,0x06,0x23,16\n",
         "ldr x9,[sp]\n")
FUNCTION("by_block", "21",
         "mov x21,x3\n mov x9,sp\n str x9,[x21,16]\n mov sp,x2\n .cfi_escape 0x0f,5,0x85,16,0x06,0x23,16\n",
         "ldr x9,[x21,16]\n")
FUNCTION_OF_KIND(".cfi_signal_frame\n", "by_marked", "29",
                 "sub x2,x2,16\n mov x9,sp\n str x9,[x2,8]\n mov sp,x2\n .cfi_escape 0x0f,5,0x8f,8,0x06,0x23,16\n",
                 "ldr x9,[sp,8]\n")
#endif
on_stack by_rbp, by_rbx, by_expression, by_block, by_marked;
static on_stack *const ways[] = {by_rbp, by_rbx, by_expression, by_block, by_marked};
enum { N_WAYS = 5, STACK_BYTES = 64 << 10, DEPTH = 5 };

static __thread char *stacks[DEPTH];
static __thread void *blocks[DEPTH];
static __thread unsigned turn;

__attribute__((noinline)) static void innermost(long n) {
    CALL(NOTED("innermost", 100 + n));
    CALL(NOTED("again", 200 + n));
}

static void go_on(void *depth);

__attribute__((noinline)) static void enter(long depth) {
    // All ways in turn, then one of them alone.
    on_stack *way = ways[turn < N_WAYS ? (turn + depth) % N_WAYS : turn - N_WAYS];
    CALL(way(go_on, (void *)depth, stacks[depth] + STACK_BYTES, blocks[depth]));
}

__attribute__((noinline)) static void go_on(void *depth) {
    CALL(innermost((long)depth));
    if ((long)depth + 1 < DEPTH)
        CALL(enter((long)depth + 1));
    CALL(innermost((long)depth));
}

__attribute__((noinline)) static void on_every_way(void) {
    for (turn = 0; turn < 2 * N_WAYS; turn++)
        CALL(enter(0));
}

static char *map(size_t length) {
    char *mapped = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        abort();
    return mapped;
}

__attribute__((noinline)) static void rounds(char *kept) {
    char here[STACK_BYTES];
    for (int i = 0; i < DEPTH; i++)
        blocks[i] = malloc(64);
    for (int round = 0; round < 3; round++) {
        // Two in one mapping, the inner one at the lower address; the rest elsewhere.
        char *two = map(2 * STACK_BYTES), *single = map(STACK_BYTES + round * 4096);
        stacks[0] = two + STACK_BYTES;
        stacks[1] = two;
        stacks[2] = kept;
        stacks[3] = single;
        stacks[4] = round % 2 ? here : malloc(STACK_BYTES);
        CALL(on_every_way());
        munmap(two, 2 * STACK_BYTES);
        munmap(single, STACK_BYTES + round * 4096);
    }
}

static char kept[2][STACK_BYTES] __attribute__((aligned(4096)));

static void *in_a_thread(void *argument) {
    CALL(rounds(argument));
    return NULL;
}

int main(int argc, char **argv) {
    start_notes();
    CALL(rounds(kept[0]));
    pthread_t thread;
    pthread_create(&thread, NULL, in_a_thread, kept[1]);
    pthread_join(thread, NULL);
    if (argc > 1)
        write_notes(argv[1]);
    return 0;
}

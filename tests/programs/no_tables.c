/* Code without unwind tables calls malloc with all kinds of garbage in rbp or x29, on a stack that ends at memory which cannot
 * be read, and that has been cut off from a larger mapping. Every fault is counted by a handler: a profiler that
 * follows rbp blindly makes some. Prints the number of faults. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, STACK = 16 * PAGE };
static volatile int n_faults;
static void *volatile latest;

__attribute__((noinline, used)) void allocates(void) {
    latest = malloc(40);
    free(latest);
}

/* calls_with(rbp, sp): calls allocates with rbp as it is given, on the stack that ends at sp, or on this one if sp is
 * 0. No .cfi: nobody can know how to go on from here but by rbp, which is garbage. */
void calls_with(uintptr_t rbp, uintptr_t sp);
#ifdef __x86_64__
__asm__(".text\n.type calls_with,@function\ncalls_with:\npush %rbp\npush %rbx\npush %r12\nmov %rsp,%rbx\n"
        "test %rsi,%rsi\nje 1f\nmov %rsi,%rsp\n1: and $-16,%rsp\nmov %rdi,%rbp\ncall allocates\n"
        "mov %rbx,%rsp\npop %r12\npop %rbx\npop %rbp\nret\n.size calls_with,.-calls_with\n");
#else
__asm__(".text\n.globl calls_with\n.type calls_with,%function\ncalls_with:\nstp x29,x30,[sp,-32]!\nstr x19,[sp,16]\nmov x19,sp\n"
        "cbz x1,1f\nand x1,x1,-16\nmov sp,x1\n1: mov x29,x0\nbl allocates\n"
        "mov sp,x19\nldr x19,[sp,16]\nldp x29,x30,[sp],32\nret\n.size calls_with,.-calls_with\n");
#endif

static void on_fault(int signal) {
    (void)signal;
    n_faults++;
    static const char text[] = "a fault\n";
    /* What faulted would fault again: there is no going on. */
    fwrite(text, 1, sizeof text - 1, stdout);
    fflush(stdout);
    _exit(9);
}

static void with_garbage(uintptr_t start, uintptr_t top) {
    uintptr_t garbage[] = {0, 1, 7, 8, top - 8, top - 16, top - 24, top - 17, top, top + 8, top + PAGE, start, start - 8, start + 1,
                           UINTPTR_MAX, UINTPTR_MAX - 7, (uintptr_t)1 << 63, (uintptr_t)1 << 47, ((uintptr_t)1 << 47) - 8,
                           (uintptr_t)&n_faults, (uintptr_t)allocates, (uintptr_t)malloc(100)};
    for (int i = 0; i < (int)(sizeof garbage / sizeof *garbage); i++)
        for (int depth = 64; depth <= 3 * PAGE; depth *= 3)
            calls_with(garbage[i], top - (uintptr_t)depth);
    /* Frame pointers that lead around in a circle, backwards, and from page to page. */
    uintptr_t *frame = (uintptr_t *)(top - 512), *other = frame + 10;
    frame[0] = (uintptr_t)other, frame[1] = (uintptr_t)allocates + 1, other[0] = (uintptr_t)frame, other[1] = 1;
    calls_with((uintptr_t)frame, top - 2 * PAGE);
    calls_with((uintptr_t)other, top - 2 * PAGE);
    frame[0] = top - 8;
    calls_with((uintptr_t)frame, top - 2 * PAGE);
}

static char *map(size_t bytes) {
    char *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        abort();
    return room;
}

/* The stack is known as part of a larger mapping, when what is above it goes. */
static void cut_off(int how) {
    char *room = map(2 * STACK);
    uintptr_t top = (uintptr_t)room + STACK;
    calls_with(0, top - 64);
    calls_with(top + PAGE, top - 64);
    if (how == 0)
        mprotect((void *)top, STACK, PROT_NONE);
    else
        munmap((void *)top, STACK);
    with_garbage((uintptr_t)room, top);
    for (uintptr_t rbp = top - 32; rbp < top + STACK; rbp += 8)
        calls_with(rbp, top - 64);
}

static void *in_a_thread(void *argument) {
    uintptr_t top = ((uintptr_t)__builtin_frame_address(0) - 4 * PAGE) & -(uintptr_t)16;
    with_garbage(top - 4 * PAGE, top);
    return argument;
}

int main(int argc, char **argv) {
    static char signal_stack[1 << 16];
    stack_t alternate = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    char *room = map(3 * STACK);
    mprotect(room, STACK, PROT_NONE);
    mprotect(room + 2 * STACK, STACK, PROT_NONE);
    with_garbage((uintptr_t)room + STACK, (uintptr_t)room + 2 * STACK);
    pthread_t thread;
    pthread_create(&thread, NULL, in_a_thread, NULL);
    pthread_join(thread, NULL);
    if (argc > 1)
        cut_off(atoi(argv[1]));
    printf("%d faults\n", n_faults);
    return 0;
}

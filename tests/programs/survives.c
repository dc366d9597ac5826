/* Ordinary things that a recorder can trip over; each ends with "done". The scenario is the first argument. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *(*volatile allocate)(size_t) = malloc;
static void (*volatile give_back)(void *) = free;

static void churn(int n, size_t size) {
    for (int i = 0; i < n; i++)
        give_back(allocate(size));
}

static void *nothing(void *argument) { return argument; }
static atomic_int has_begun;
static void *churn_77(void *argument) {
    churn(1, 77);
    has_begun = 1;
    churn(99999, 77);
    return argument;
}

/* A forked child whose new thread allocates before its main thread does: the thread's stack is a cached one, so that
   pthread_create itself allocates nothing. */
static void thread_of_a_child_first(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, nothing, NULL);
    pthread_join(thread, NULL);
    churn(1, 5);
    if (fork() == 0) {
        pthread_create(&thread, NULL, churn_77, NULL);
        while (!has_begun)
            sched_yield();
        churn(100000, 33);
        pthread_join(thread, NULL);
        _exit(0);
    }
    churn(100000, 44);
    wait(NULL);
}

void leaf(void) { give_back(allocate(40)); }
void with_return_address(long zero);
#ifdef __x86_64__
/* Overwrites its own return address with 0 while it calls leaf, if asked: the outer end of the stack comes and goes. */
__asm__(".text\n.globl with_return_address\n.type with_return_address,@function\nwith_return_address:\n"
        ".cfi_startproc\npush %rbx\n.cfi_adjust_cfa_offset 8\n.cfi_offset rbx,-16\nmov 8(%rsp),%rbx\n"
        "test %rdi,%rdi\nje 1f\nmovq $0,8(%rsp)\n1: call leaf\nmov %rbx,8(%rsp)\npop %rbx\n"
        ".cfi_adjust_cfa_offset -8\nret\n.cfi_endproc\n.size with_return_address,.-with_return_address\n");
#else
__asm__(".text\n.globl with_return_address\n.type with_return_address,%function\nwith_return_address:\n"
        ".cfi_startproc\nstp x29,x30,[sp,-32]!\n.cfi_def_cfa_offset 32\n.cfi_offset 29,-32\n.cfi_offset 30,-24\n"
        "str x19,[sp,16]\n.cfi_offset 19,-16\nmov x19,x30\ncbz x0,1f\nstr xzr,[sp,8]\n1: bl leaf\nstr x19,[sp,8]\n"
        "ldr x19,[sp,16]\nldp x29,x30,[sp],32\n.cfi_def_cfa_offset 0\n.cfi_restore 29\n.cfi_restore 30\n.cfi_restore 19\n"
        "ret\n.cfi_endproc\n.size with_return_address,.-with_return_address\n");
#endif
static void return_address_of_zero(void) {
    for (int i = 0; i < 10; i++)
        with_return_address(i == 1);
}

extern void __register_frame(void *) __attribute__((weak));
static void many_registered_frames(void) {
    for (int i = 0; i < 3000; i++) {
        unsigned *cie = calloc(1, 64);
        unsigned char *bytes = (unsigned char *)cie;
        cie[0] = 12;
        bytes[8] = 1, bytes[10] = 1, bytes[11] = 0x78, bytes[12] = 16;
        if (__register_frame)
            __register_frame(cie);
        churn(1, 10);
    }
}

#ifdef __x86_64__
enum { SIGNAL_STACK = 8192 };
#else
enum { SIGNAL_STACK = 16384 };  /* the kernel takes 4.5 KiB of it */
#endif
static char around[3 * SIGNAL_STACK];
static void handler(int signal) {
    (void)signal;
    churn(1, 99);
}
/* A handler on a stack of the traditional size, whose first allocation needs rules that were never looked up. */
static void small_signal_stack(void) {
    memset(around, 0xaa, sizeof around);
    stack_t stack = {.ss_sp = around + SIGNAL_STACK, .ss_size = SIGNAL_STACK};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    for (int i = 0; i < SIGNAL_STACK; i++)
        if (around[i] != (char)0xaa) {
            printf("overflow by %d bytes\n", SIGNAL_STACK - i);
            return;
        }
}

int main(int argc, char **argv) {
    const char *scenario = argc > 1 ? argv[1] : "";
    if (!strcmp(scenario, "thread_of_a_child_first"))
        thread_of_a_child_first();
    else if (!strcmp(scenario, "return_address_of_zero"))
        return_address_of_zero();
    else if (!strcmp(scenario, "many_registered_frames"))
        many_registered_frames();
    else if (!strcmp(scenario, "small_signal_stack"))
        small_signal_stack();
    puts("done");
    return 7;
}

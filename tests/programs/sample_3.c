/* What recordings of version 3 hold beside what those of version 2 did: the program whose recording is kept as
   tests/fixtures/version-3.bin. It was made with gcc -g -O1 -fno-omit-frame-pointer, and run with the path of a static
   program.

   By hand: 2 x 1,000 B have whole stacks. 10 x 30 B are allocated behind a function without an unwind table that leaves the
   frame pointer alone: what is guessed beyond it leaves out its caller, and the rest is right. 3 x 200 B come from behind one
   that clears the frame pointer: there the stack ends. The child executes a program that cannot be recorded. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile kept[15];
static int n_kept;

__attribute__((noinline, used)) void allocates(size_t size) {
    kept[n_kept++] = malloc(size);
}

__asm__(".text\n.globl frameless\n.type frameless,@function\nframeless:\n"
        "sub $8,%rsp\n call allocates\n add $8,%rsp\n ret\n.size frameless,.-frameless\n"
        ".globl baseless\n.type baseless,@function\nbaseless:\n"
        "push %rbp\n xor %ebp,%ebp\n call allocates\n pop %rbp\n ret\n.size baseless,.-baseless\n");
void frameless(size_t size);
void baseless(size_t size);

#define CALL(call)                                                                                                     \
    call;                                                                                                              \
    __asm__ volatile("" ::: "memory") /* not a tail call */

__attribute__((noinline)) static void is_left_out(void) {
    CALL(frameless(30));
}

__attribute__((noinline)) static void outer(void) {
    CALL(is_left_out());
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    for (int n = 0; n < 2; n++)
        allocates(1000);
    for (int n = 0; n < 10; n++)
        outer();
    for (int n = 0; n < 3; n++)
        baseless(200);
    pid_t pid = fork();
    if (pid == 0) {
        execl(argv[1], argv[1], (char *)NULL);
        _exit(1);
    }
    waitpid(pid, NULL, 0);
    return 0;
}

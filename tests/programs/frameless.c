// A function in assembly without an unwind table between others that have one and keep frame pointers: the frame pointer
// is that of its caller, so a guess leaves the caller out. argv[1] is where the notes go.
#include "noted.h"

#ifdef __x86_64__
__asm__(".text\n.globl frameless\n.type frameless,@function\nframeless:\n"
        "sub $24,%rsp\n call allocates\n add $24,%rsp\n ret\n.size frameless,.-frameless\n");
#else
__asm__(".text\n.globl frameless\n.type frameless,%function\nframeless:\n"
        "str x30,[sp,-32]!\n bl allocates\n ldr x30,[sp],32\n ret\n.size frameless,.-frameless\n");
#endif
void frameless(long n);

__attribute__((noinline, used)) void allocates(long n) { CALL(NOTED("allocates", n)); }

__attribute__((noinline)) static void is_left_out(long n) { CALL(frameless(n)); }

__attribute__((noinline)) static void outer(long n) { CALL(is_left_out(n)); }

int main(int argc, char **argv) {
    start_notes();
    for (long n = 0; n < 10; n++)
        CALL(outer(100 + n));
    if (argc > 1)
        write_notes(argv[1]);
    return 0;
}

// A library that is loaded by plugin_host.c; its inner function has a name in its debug information alone.
#include <stdlib.h>

void *volatile kept;

__attribute__((noinline)) static void hidden_holder(void) {
    kept = malloc(54321);
    __asm__ volatile("" ::: "memory");
}

void run(void) {
    hidden_holder();
    __asm__ volatile("" ::: "memory");
}

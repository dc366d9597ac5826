// The C library keeps memory for itself; the program loses a stream, a string and a block.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <locale.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void *volatile lost;

static void at_exit(void) {}

static void *thread(void *argument) {
    return argument;
}

int main(void) {
    setlocale(LC_ALL, "C.UTF-8");
    puts("hello");
    if (!dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL)) return 1;
    if (!dlopen("libpthread.so.0", RTLD_NOW | RTLD_LOCAL)) return 1;
    pthread_t id;
    pthread_create(&id, NULL, thread, NULL);
    pthread_join(id, NULL);
    getpwnam("root");
    tzset();
    for (int i = 0; i < 100; i++) atexit(at_exit);
    lost = malloc(123);
    lost = strdup("a string of twenty-nine bytes");
    lost = fopen("/dev/null", "w");
    lost = NULL;
    return 0;
}

/* closes_meanwhile FOLDER: one thread opens and closes FOLDER/l0.so to l9.so, four allocate from generated code, which belongs
   to no library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static atomic_int stop;
static const char *folder;

static void *closer(void *nothing)
{
    for (int round = 0; round < 100; round++) {
        void *libraries[10];
        for (int i = 0; i < 10; i++) {
            char path[512];
            snprintf(path, sizeof path, "%s/l%d.so", folder, i);
            libraries[i] = dlopen(path, RTLD_NOW);
            if (!libraries[i])
                exit(3);
            void *(*grab)(size_t) = (void *(*)(size_t))dlsym(libraries[i], "grab");
            free(grab(100 + i));
        }
        for (int i = 0; i < 10; i++)
            dlclose(libraries[i]);
    }
    stop = 1;
    return nothing;
}

static void *allocator(void *nothing)
{
    unsigned char *memory = mmap(0, 1 << 20, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t at = 0;
    while (!stop) {
        if (at + 32 > 1 << 20)
            at = 0;
        /* push rbp; mov rbp, rsp; mov rax, malloc; call rax; pop rbp; ret */
        unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xd0, 0x5d, 0xc3};
        void *target = (void *)malloc;
        memcpy(code + 6, &target, 8);
        memcpy(memory + at, code, sizeof code);
        free(((void *(*)(size_t))(memory + at))(50));
        at += 32;
    }
    return nothing;
}

int main(int argc, char **argv)
{
    pthread_t threads[5];
    folder = argc > 1 ? argv[1] : ".";
    for (int i = 0; i < 5; i++)
        pthread_create(threads + i, 0, i < 4 ? allocator : closer, 0);
    for (int i = 0; i < 5; i++)
        pthread_join(threads[i], 0);
    puts("done");
    return 0;
}

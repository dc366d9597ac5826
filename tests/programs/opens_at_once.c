/* opens_at_once WAITS DEEP: three threads are in dlopen at once, in an order that nothing but their own state decides: the first
   holds the loader's lock in a constructor until the second, which opens DEEP with a scope of its own, and then the third wait
   for it. Then the first calls what the second has opened. LIBRARY: the one with the constructor. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void meanwhile(void);

#ifdef LIBRARY
static __attribute__((constructor)) void construct(void) { meanwhile(); }
#else
static struct opener {
    const char *path;
    int mode;
    pthread_t thread;
    volatile pid_t tid;
    void *library;
} openers[2] = {{.mode = RTLD_NOW | RTLD_DEEPBIND}, {.path = "libm.so.6", .mode = RTLD_NOW}};

static void *open_it(void *argument) {
    struct opener *opener = argument;
    opener->tid = gettid();
    opener->library = dlopen(opener->path, opener->mode);
    return NULL;
}

static char state_of(pid_t tid) {
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        abort();
    fclose(file);
    return state;
}

void meanwhile(void) {
    for (int i = 0; i < 2; i++) {
        pthread_create(&openers[i].thread, NULL, open_it, &openers[i]);
        while (!openers[i].tid || state_of(openers[i].tid) != 'S')
            sched_yield();
    }
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 1;
    openers[0].path = argv[2];
    if (!dlopen(argv[1], RTLD_NOW))
        return 2;
    for (int i = 0; i < 2; i++)
        pthread_join(openers[i].thread, NULL);
    void *library = openers[0].library;
    void *(*grab)(size_t) = library ? (void *(*)(size_t))dlsym(library, "grab") : NULL;
    void (*drop)(void *) = library ? (void (*)(void *))dlsym(library, "drop") : NULL;
    if (!grab || !drop)
        return 3;
    for (int i = 0; i < 100; i++)
        drop(grab(7008));
    puts("done");
    return 0;
}
#endif

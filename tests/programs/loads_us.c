/* Loads the library that its first argument names, by dlopen, and calls the functions that dlsym finds in it. Without an
 * argument it calls those of the C library by the same names. What it prints is the same. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *(*allocate)(size_t);
static void *(*allocate_zeroed)(size_t, size_t);
static void *(*reallocate)(void *, size_t);
static int (*allocate_aligned)(void **, size_t, size_t);
static void (*release)(void *);
static size_t (*usable)(void *);

static void *find(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (!found) {
        printf("no %s: %s\n", name, dlerror());
        exit(3);
    }
    return found;
}

static void *in_a_thread(void *unused) {
    free(malloc(99));
    release(allocate(1003));
    return unused;
}

int main(int argc, char **argv) {
    void *before = malloc(500);
    void *library = RTLD_DEFAULT;
    if (argc > 1 && !(library = dlopen(argv[1], RTLD_NOW))) {
        printf("not loaded: %s\n", dlerror());
        return 2;
    }
    allocate = find(library, "malloc");
    allocate_zeroed = find(library, "calloc");
    reallocate = find(library, "realloc");
    allocate_aligned = find(library, "posix_memalign");
    release = find(library, "free");
    usable = find(library, "malloc_usable_size");

    /* Each side takes the other's blocks: there is one allocator. */
    release(before);
    char *block = allocate(1000);
    memset(block, 1, 1000);
    printf("%d %d\n", usable(block) >= 1000, usable(block) == usable(malloc(1000)));
    free(block);
    char *zeroed = allocate_zeroed(10, 100);
    printf("%d\n", zeroed[0] + zeroed[999]);
    char *grown = realloc(reallocate(malloc(20), 1001), 1 << 20);
    printf("%d\n", usable(grown) >= 1 << 20);
    void *aligned;
    int refused = allocate_aligned(&aligned, 4096, 1002);
    printf("%d %d\n", refused, (int)((size_t)aligned % 4096));
    free(aligned);
    release(aligned = malloc(4));

    pthread_t thread;
    pthread_create(&thread, NULL, in_a_thread, NULL);
    pthread_join(thread, NULL);

    /* It stays, and so do the functions. */
    if (argc > 1)
        dlclose(library);
    release(allocate(1004));
    fflush(stdout);
    return 7;
}

/* Opens a library in a namespace of its own, where there is another C library, and calls what allocates there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    void *library = dlmopen(LM_ID_NEWLM, argv[argc - 1], RTLD_NOW);
    if (!library)
        return 1;
    void *(*grab)(size_t) = (void *(*)(size_t))dlsym(library, "grab");
    void (*drop)(void *) = (void (*)(void *))dlsym(library, "drop");
    void *block = grab(100);
    drop(block);
    printf("another C library: %d\n", dlsym(library, "free") != dlsym(RTLD_NEXT, "free"));
    return 0;
}

/* Opens the library that it is given, oneTBB's, and calls functions that it finds there by name. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    for (int round = 0; round < 2; round++) {
        void *library = dlopen(argv[argc - 1], RTLD_NOW | RTLD_LOCAL);
        if (!library)
            return 2;
        void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(library, "scalable_malloc");
        void (*release)(void *) = (void (*)(void *))dlsym(library, "scalable_free");
        if (!allocate || !release)
            return 1;
        void *blocks[8];
        for (int i = 0; i < 8; i++)
            blocks[i] = allocate(7007);
        for (int i = 0; i < 7; i++)
            release(blocks[i]);
        dlclose(library);
    }
    puts("done");
    return 0;
}

/* Loads each library that it is given, lets it allocate (one_allocates), and unloads every second one. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    int n_called = 0;
    for (int i = 1; i < argc; i++) {
        void *library = dlopen(argv[i], RTLD_NOW);
        void *(*volatile function)(void) = library ? (void *(*)(void))dlsym(library, "one_allocates") : NULL;
        if (!function)
            continue;
        n_called += function() != NULL;
        if (i % 2)
            dlclose(library);
    }
    printf("%d called\n", n_called);
    return 0;
}

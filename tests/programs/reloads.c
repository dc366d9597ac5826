// Loads one library, lets it allocate, unloads it, and does the same with the other, several times:
// `reloads ONE OTHER`. Says of each call: block, address of the function.
#include <dlfcn.h>
#include <stdio.h>

static void *(*function)(void);

static int lets_allocate(const char *path, const char *name) {
    void *library = dlopen(path, RTLD_NOW);
    function = library ? (void *(*)(void))dlsym(library, name) : NULL;
    if (!function)
        return 1;
    void *block = function();
    printf("%s %lx %lx\n", name, (unsigned long)block, (unsigned long)function);
    return dlclose(library);
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    for (int i = 0; i < 4; i++)
        if (lets_allocate(argv[1], "one_allocates") != 0 || lets_allocate(argv[2], "other_allocates") != 0)
            return 3;
    return 0;
}

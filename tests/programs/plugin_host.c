// Loads plugin.c's library, which is named first, has it allocate, and waits for the end of its input. `plugin_host PLUGIN`
#include <dlfcn.h>
#include <stdio.h>

void *volatile kept;

int main(int argc, char **argv) {
    void *plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    void *(*grab)(size_t) = plugin ? (void *(*)(size_t))dlsym(plugin, "grab") : NULL;
    if (!grab) {
        fprintf(stderr, "%s\n", plugin ? "it has no function 'grab'" : dlerror());
        return 1;
    }
    kept = grab(54321);
    while (getchar() != EOF) {
    }
    return 0;
}

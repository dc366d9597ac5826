// Loads the plugin that is named first, has it allocate, and waits for the end of its input. `plugin_host PLUGIN`
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    void *plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    void (*run)(void) = plugin ? (void (*)(void))dlsym(plugin, "run") : NULL;
    if (!run) {
        fprintf(stderr, "%s\n", plugin ? "it has no function 'run'" : dlerror());
        return 1;
    }
    run();
    while (getchar() != EOF) {
    }
    return 0;
}

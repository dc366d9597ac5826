/* opens LIBRARY [TIMES [OTHER]]: loads it so often and goes away from its folder; its function allocates 64 bytes each time,
   then that of the other library 1000 times 40. With DEEP in the environment it has a scope of its own. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void *(*grab)(size_t);

static grab find(void *library)
{
    grab found = library ? (grab)dlsym(library, "grab") : 0;
    if (!found) {
        const char *why = dlerror();
        /* Paths differ from run to run, reasons do not. */
        const char *reason = why ? strstr(why, ": ") : 0;
        printf("refused%s\n", reason ? reason : "");
        exit(3);
    }
    return found;
}

int main(int argc, char **argv)
{
    int times = argc > 2 ? atoi(argv[2]) : 1;
    for (int i = 0; i < times; i++) {
        void *library = dlopen(argv[1], RTLD_NOW | (getenv("DEEP") ? RTLD_DEEPBIND : 0));
        free(find(library)(64));
        if (argc > 3)
            dlclose(library);
    }
    if (argc > 3) {
        grab other = find(dlopen(argv[3], RTLD_NOW));
        for (int i = 0; i < 1000; i++)
            other(40);
    }
    if (chdir("/"))
        return 1;
    puts("done");
    return 0;
}

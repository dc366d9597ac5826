/* opens_meanwhile LIBRARY ROUNDS [plain]: opens it with a scope of its own, or plainly, and closes it so often, while another
   thread looks symbols up. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static volatile int is_over;

static void *look_up(void *nothing) {
    while (!is_over)
        if (!dlsym(RTLD_DEFAULT, "malloc"))
            abort();
    return nothing;
}

int main(int argc, char **argv) {
    int rounds = argc > 2 ? atoi(argv[2]) : 1;
    pthread_t thread;
    if (pthread_create(&thread, NULL, look_up, NULL))
        return 1;
    for (int i = 0; i < rounds; i++) {
        void *library = dlopen(argv[1], (argc > 3 ? 0 : RTLD_DEEPBIND) | RTLD_NOW);
        void *(*grab)(size_t) = library ? (void *(*)(size_t))dlsym(library, "grab") : NULL;
        void (*drop)(void *) = library ? (void (*)(void *))dlsym(library, "drop") : NULL;
        if (!grab || !drop)
            return 2;
        drop(grab(7008));
        dlclose(library);
    }
    is_over = 1;
    pthread_join(thread, NULL);
    puts("done");
    return 0;
}

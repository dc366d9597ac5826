/* Uses up the room that the loader keeps for thread-local variables of libraries that come late, by libraries named before
 * the last argument (built from this file with BYTES), then loads the last one; says what became of it. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BYTES
__attribute__((tls_model("initial-exec"))) __thread char late[BYTES] __attribute__((aligned(16)));

char *address(void) { return late; }
#else
int main(int argc, char **argv) {
    int n_loaded = 0;
    for (int i = 1; i + 1 < argc; i++)
        n_loaded += dlopen(argv[i], RTLD_NOW) != NULL;
    void *last = dlopen(argv[argc - 1], RTLD_NOW);
    const char *reason = last ? "loaded" : dlerror();
    printf("%s\n", strstr(reason, "static TLS") ? "no static TLS" : reason);
    free(malloc(10));
    return n_loaded > 0 ? 7 : 1;
}
#endif

// Runs Python three times over in one process: `embeds` linked against it, `embeds LIBPYTHON` loaded late and closed again.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef LINKED
void Py_InitializeEx(int);
int PyRun_SimpleString(const char *);
int Py_FinalizeEx(void);
#endif

static const char *script =
    "import sys, json, threading\n"
    "def work(n):\n"
    "    return [bytearray(600 + i) for i in range(n)]\n"
    "threads = [threading.Thread(target=work, args=(100,)) for _ in range(4)]\n"
    "[thread.start() for thread in threads]\n"
    "[thread.join() for thread in threads]\n"
    "print(len(json.loads('[1, 2]', object_hook=lambda pairs: work(3))), len(sorted([3, 2, 1], key=work)), flush=True)\n";

int main(int n, char **arguments) {
    for (int i = 0; i < 3; i++) {
        free(malloc(1000));
#ifdef LINKED
        Py_InitializeEx(1);
        int failed = PyRun_SimpleString(script);
        failed += Py_FinalizeEx();
#else
        void *library = dlopen(arguments[1], RTLD_NOW | RTLD_GLOBAL);
        if (!library) {
            fprintf(stderr, "%s\n", dlerror());
            return 2;
        }
        ((void (*)(int))dlsym(library, "Py_InitializeEx"))(1);
        int failed = ((int (*)(const char *))dlsym(library, "PyRun_SimpleString"))(script);
        failed += ((int (*)(void))dlsym(library, "Py_FinalizeEx"))();
        dlclose(library);
#endif
        printf("%d: %d\n", i, failed);
        fflush(stdout);
    }
    return 6;
}

// Runs Python three times over in one process: `embeds` linked against it, `embeds LIBPYTHON` loaded late and closed again.
// A thread of its own runs Python too.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef LINKED
void Py_InitializeEx(int);
int PyRun_SimpleString(const char *);
int Py_FinalizeEx(void);
void *PyEval_SaveThread(void);
void PyEval_RestoreThread(void *);
int PyGILState_Ensure(void);
void PyGILState_Release(int);
#endif

static const char *script =
    "import sys, json, threading\n"
    "def work(n):\n"
    "    return [bytearray(600 + i) for i in range(n)]\n"
    "threads = [threading.Thread(target=work, args=(100,)) for _ in range(4)]\n"
    "[thread.start() for thread in threads]\n"
    "[thread.join() for thread in threads]\n"
    "print(len(json.loads('[1, 2]', object_hook=lambda pairs: work(3))), len(sorted([3, 2, 1], key=work)), flush=True)\n";

// What a thread that Python has not made needs, and what it has to say.
static struct guest {
    int (*ensure)(void);
    int (*run)(const char *);
    void (*release)(int);
    int failed;
} guest;

static void *visit(void *unused) {
    int state = guest.ensure();
    guest.failed = guest.run(script);
    guest.release(state);
    return unused;
}

// Has a thread of the program's own run Python, while this one has put the lock away.
static int visited(void *(*save)(void), void (*restore)(void *)) {
    pthread_t thread;
    void *state = save();
    if (pthread_create(&thread, NULL, visit, NULL) == 0) pthread_join(thread, NULL);
    restore(state);
    return guest.failed;
}

int main(int n, char **arguments) {
    for (int i = 0; i < 3; i++) {
        free(malloc(1000));
#ifdef LINKED
        Py_InitializeEx(1);
        int failed = PyRun_SimpleString(script);
        guest = (struct guest){PyGILState_Ensure, PyRun_SimpleString, PyGILState_Release, 1};
        failed += visited(PyEval_SaveThread, PyEval_RestoreThread);
        failed += Py_FinalizeEx();
#else
        void *library = dlopen(arguments[1], RTLD_NOW | RTLD_GLOBAL);
        if (!library) {
            fprintf(stderr, "%s\n", dlerror());
            return 2;
        }
        ((void (*)(int))dlsym(library, "Py_InitializeEx"))(1);
        int failed = ((int (*)(const char *))dlsym(library, "PyRun_SimpleString"))(script);
        guest = (struct guest){(int (*)(void))dlsym(library, "PyGILState_Ensure"),
                               (int (*)(const char *))dlsym(library, "PyRun_SimpleString"),
                               (void (*)(int))dlsym(library, "PyGILState_Release"), 1};
        failed += visited((void *(*)(void))dlsym(library, "PyEval_SaveThread"),
                          (void (*)(void *))dlsym(library, "PyEval_RestoreThread"));
        failed += ((int (*)(void))dlsym(library, "Py_FinalizeEx"))();
        dlclose(library);
#endif
        printf("%d: %d\n", i, failed);
        fflush(stdout);
    }
    return 6;
}

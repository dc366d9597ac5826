/* Becomes a daemon as the books say: forks twice, closes every descriptor, and opens files of its own at the lowest
 * numbers, 0, 1 and 2 among them. It allocates enough for the recording to grow while they are open. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_FILES = 6, N_ROUNDS = 200000 };

static void *(*volatile volatile_malloc)(size_t) = malloc;
static void (*volatile volatile_free)(void *) = free;

static void churn(int n) {
    void *kept[64] = {0};
    for (int i = 0; i < n; i++) {
        void **place = &kept[(i * 37) % 64];
        volatile_free(*place);
        *place = volatile_malloc((size_t)(i * 7919 % 4000));
    }
    for (int i = 0; i < 64; i++)
        volatile_free(kept[i]);
}

static void serve(void) {
    for (int i = 0; i < 1024; i++)
        close(i);
    for (int i = 0; i < N_FILES; i++) {
        char name[] = "file 0";
        name[5] = (char)('0' + i);
        if (open(name, O_RDWR | O_CREAT | O_EXCL, 0600) != i)
            _exit(98);
    }
    for (int round = 0; round < 3; round++) {
        churn(N_ROUNDS / 3);
        for (int i = 0; i < N_FILES; i++)
            if (write(i, "line\n", 5) != 5)
                _exit(97);
    }
    _exit(0);
}

int main(void) {
    int status;
    churn(100);
    pid_t child = fork();
    if (child == 0) {
        setsid();
        umask(0);
        pid_t grandchild = fork();
        if (grandchild == 0)
            serve();
        waitpid(grandchild, &status, 0);
        _exit(status == 0 ? 0 : 96);
    }
    if (waitpid(child, &status, 0) != child || status != 0)
        return 95;
    puts("served");
    return 0;
}

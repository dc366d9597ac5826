/* A child that frees what it has inherited, gives some of it another size, and has memory of its own. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 100 };
static void *kept[N];

int main(void) {
    for (int i = 0; i < N; i++)
        kept[i] = malloc(1000 + (size_t)i);
    if (fork() == 0) {
        for (int i = 0; i < N / 2; i++)
            free(kept[i]);
        for (int i = N / 2; i < N; i++)
            kept[i] = realloc(kept[i], 5000);
        void *own = malloc(70);
        exit(own == NULL);
    }
    int status;
    wait(&status);
    return status != 0;
}

/* Many threads that each allocate a little and end, sixteen at a time.
 *
 *   short_threads THREADS */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { AT_A_TIME = 16, N_BLOCKS = 20 };

static void *work(void *argument) {
    void *blocks[N_BLOCKS];
    for (int i = 0; i < N_BLOCKS; i++)
        blocks[i] = malloc(16 + i * 8);
    for (int i = 0; i < N_BLOCKS; i++)
        free(blocks[i]);
    return argument;
}

int main(int argc, char **argv) {
    int n_threads = argc == 2 ? atoi(argv[1]) : 0;
    pthread_t threads[AT_A_TIME];
    for (int begun = 0; begun < n_threads; begun += AT_A_TIME) {
        for (int i = 0; i < AT_A_TIME; i++)
            if (pthread_create(&threads[i], NULL, work, NULL))
                abort();
        for (int i = 0; i < AT_A_TIME; i++)
            pthread_join(threads[i], NULL);
    }
    printf("%d\n", n_threads);
}

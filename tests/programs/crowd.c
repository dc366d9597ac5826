/* THREADS threads that each allocate and free a little now and then, until the program is ended.
 *
 *   crowd THREADS */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void *now_and_then(void *argument) {
    void *volatile stays = malloc(100);
    (void)argument;
    (void)stays;
    for (;;) {
        for (int n = 0; n < 500; n++) {
            void *volatile block = malloc(32);
            free(block);
        }
        nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
}

int main(int argc, char **argv) {
    pthread_t thread;
    for (int n = argc > 1 ? atoi(argv[1]) : 1; n > 0; n--)
        pthread_create(&thread, NULL, now_and_then, NULL);
    for (;;)
        pause();
}

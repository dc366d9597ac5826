/* Four threads allocate, reallocate, and hand their blocks to the next thread, which frees them. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { N_THREADS = 4, N_ROUNDS = 20000, N_SLOTS = 64 };

struct mailbox {
    pthread_mutex_t lock;
    void *blocks[N_SLOTS];
    int n_blocks;
} mailboxes[N_THREADS];

static void put(struct mailbox *box, void *block) {
    pthread_mutex_lock(&box->lock);
    void *surplus = box->n_blocks == N_SLOTS ? block : NULL;
    if (!surplus)
        box->blocks[box->n_blocks++] = block;
    pthread_mutex_unlock(&box->lock);
    free(surplus);
}

static void *take(struct mailbox *box) {
    pthread_mutex_lock(&box->lock);
    void *block = box->n_blocks ? box->blocks[--box->n_blocks] : NULL;
    pthread_mutex_unlock(&box->lock);
    return block;
}

static void *work(void *argument) {
    long me = (long)argument;
    unsigned random = 12345 + (unsigned)me;
    for (int round = 0; round < N_ROUNDS; round++) {
        random = random * 1103515245 + 12345;
        void *block = random & 256 ? malloc(random >> 24) : calloc(3, random >> 26);
        if (random & 512)
            block = realloc(block, 1 + (random >> 22));
        put(&mailboxes[(me + 1) % N_THREADS], block);
        free(take(&mailboxes[me]));
    }
    return NULL;
}

int main(void) {
    pthread_t threads[N_THREADS];
    for (long i = 0; i < N_THREADS; i++)
        pthread_mutex_init(&mailboxes[i].lock, NULL);
    for (long i = 0; i < N_THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < N_THREADS; i++)
        for (void *block; (block = take(&mailboxes[i])) != NULL;)
            free(block);
    printf("%d blocks went around\n", N_THREADS * N_ROUNDS);
    return 7;
}

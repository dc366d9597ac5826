/* Blocks that are never freed where they were allocated: pairs of threads, one allocates and hands over in batches, the
 * other frees.
 *
 *   hand_over EVENTS PAIRS */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 1000, N_BATCHES = 8, PAIRS_MAX = 16 };

struct pair {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t n_batches, n_given, n_taken, checksum;
    void *blocks[N_BATCHES][BATCH];
};

static void *give(void *argument) {
    struct pair *pair = argument;
    uint64_t random = 88172645463325252ULL;
    for (uint64_t batch = 0; batch < pair->n_batches; batch++) {
        pthread_mutex_lock(&pair->lock);
        while (pair->n_given - pair->n_taken == N_BATCHES)
            pthread_cond_wait(&pair->changed, &pair->lock);
        pthread_mutex_unlock(&pair->lock);
        for (int i = 0; i < BATCH; i++) {
            random = random * 6364136223846793005ULL + 1442695040888963407ULL;
            size_t size = 16 + (random >> 33) % 500;
            pair->blocks[batch % N_BATCHES][i] = malloc(size);
            pair->checksum += size;
        }
        pthread_mutex_lock(&pair->lock);
        pair->n_given++;
        pthread_cond_signal(&pair->changed);
        pthread_mutex_unlock(&pair->lock);
    }
    return NULL;
}

static void *take(void *argument) {
    struct pair *pair = argument;
    for (uint64_t batch = 0; batch < pair->n_batches; batch++) {
        pthread_mutex_lock(&pair->lock);
        while (pair->n_given == pair->n_taken)
            pthread_cond_wait(&pair->changed, &pair->lock);
        pthread_mutex_unlock(&pair->lock);
        for (int i = 0; i < BATCH; i++)
            free(pair->blocks[batch % N_BATCHES][i]);
        pthread_mutex_lock(&pair->lock);
        pair->n_taken++;
        pthread_cond_signal(&pair->changed);
        pthread_mutex_unlock(&pair->lock);
    }
    return NULL;
}

int main(int argc, char **argv) {
    static struct pair pairs[PAIRS_MAX];
    static pthread_t threads[2 * PAIRS_MAX];
    int n_pairs = argc == 3 ? atoi(argv[2]) : 0;
    if (n_pairs < 1 || n_pairs > PAIRS_MAX)
        return 2;
    uint64_t n_batches = strtoull(argv[1], NULL, 10) / 2 / BATCH / n_pairs;
    for (int i = 0; i < n_pairs; i++) {
        pthread_mutex_init(&pairs[i].lock, NULL);
        pthread_cond_init(&pairs[i].changed, NULL);
        pairs[i].n_batches = n_batches;
        if (pthread_create(&threads[2 * i], NULL, give, &pairs[i]) ||
            pthread_create(&threads[2 * i + 1], NULL, take, &pairs[i]))
            abort();
    }
    for (int i = 0; i < 2 * n_pairs; i++)
        pthread_join(threads[i], NULL);
    uint64_t checksum = 0;
    for (int i = 0; i < n_pairs; i++)
        checksum += pairs[i].checksum;
    printf("%llu\n", (unsigned long long)checksum);
}

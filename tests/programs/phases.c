// Phases with marks and tags: in "load" much is kept, in "burst" all is freed at once, and each of ROUNDS keeps a block for
// ever. Two threads do so, one of them under a tag, and a forked child allocates a little of its own.
#include "tm.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 40, LOADED = 300 };

static void *volatile kept[2 * (ROUNDS + LOADED)];
static int second;

__attribute__((noinline)) static void leak(int thread, int round) {
    kept[2 * LOADED + thread * ROUNDS + round] = malloc(1000 + round);
}

__attribute__((noinline)) static void load(int thread) {
    for (int i = 0; i < LOADED; i++)
        kept[thread * LOADED + i] = malloc(10000 + i);
}

__attribute__((noinline)) static void unload(int thread) {
    for (int i = 0; i < LOADED; i++)
        free(kept[thread * LOADED + i]);
}

__attribute__((noinline)) static void burst(void) {
    // Each thread its own: one of both would be freed by the other.
    void *volatile second_hand;
    for (int i = 0; i < 20000; i++)
        second_hand = malloc(1 + i % 500), free(second_hand);
}

static void *work(void *argument) {
    int thread = argument != NULL;
    tm_tag_scope scope = tm_tag(thread ? "<b>second</b>" : "first");
    for (int round = 0; round < ROUNDS / 2; round++)
        leak(thread, round);
    load(thread);
    if (!thread)
        tm_take_snapshot("loaded");
    burst();
    unload(thread);
    if (!thread)
        tm_take_snapshot("unloaded");
    tm_tag_end(scope);
    for (int round = ROUNDS / 2; round < ROUNDS; round++)
        leak(thread, round);
    return NULL;
}

int main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, work, &second);
    work(NULL);
    pthread_join(thread, NULL);
    if (fork() == 0) {
        for (int i = 0; i < 100; i++)
            kept[i] = malloc(77);
        _exit(0);
    }
    wait(NULL);
    return 0;
}

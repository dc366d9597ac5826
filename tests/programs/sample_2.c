/* What recordings of version 2 hold beside what those of version 1 did: the program whose recording is kept as
   tests/fixtures/version-2.bin. It was made with gcc -g -pthread.

   By hand, of the parent: 3 x 1,000 B are marked and cleared; one of them is freed after that, one while nothing is
   recorded, and the last is resized to 2,000 B after the start. 2 x 10 B go with the stop, 4,000 B come after it. Then
   251 B in 8 blocks live, 235 of them in 6 under labels. Of the pool 1,000 B become 600, and 500 come and go: with these
   it is the peak. The C library allocates 288 B for the thread, which gets 5 x 70 B and frees two. Of 10 pages two in the
   middle are unmapped, of 3 more the last. The child frees 50 B, gets 11, takes the rest of the pool away and unmaps 4
   pages. */
#include "tm.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POOL = 7, PAGE = 4096, PROTECTION = PROT_READ | PROT_WRITE, FLAGS = MAP_PRIVATE | MAP_ANONYMOUS };

static void *volatile early[3];
static void *volatile between[2];
static void *volatile requested[5];
static void *volatile others[3];
static void *volatile worked[5];
static void *volatile of_child;
static char *volatile pages;

static void forgotten(void) {
    for (int n = 0; n < 3; n++)
        early[n] = malloc(1000);
    tm_take_snapshot("before");
    tm_clear_traces();
    free(early[0]);
    for (int n = 0; n < 2; n++)
        between[n] = malloc(10);
    tm_stop();
    void *volatile unseen = malloc(4000);
    free(early[1]);
    tm_start(16);
    free(unseen);
    early[2] = realloc(early[2], 2000);
}

static void labelled(void) {
    tm_tag_scope request = tm_tag("request");
    for (int n = 0; n < 4; n++)
        requested[n] = malloc(50);
    tm_tag_scope query = tm_tag("query");
    others[0] = calloc(3, 10);
    tm_tag_end(query);
    requested[4] = malloc(5);
    tm_tag_end(request);
    for (int n = 1; n < 3; n++)
        others[n] = malloc(8);
}

static void tracked(void) {
    tm_name_domain(POOL, "pool");
    tm_track(POOL, 0x10, 1000);
    tm_track(POOL, 0x20, 500);
    tm_track(POOL, 0x10, 600);
    tm_untrack(POOL, 0x20);
}

static void *worker(void *nothing) {
    tm_tag_scope scope = tm_tag("worker");
    for (int n = 0; n < 5; n++)
        worked[n] = malloc(70);
    for (int n = 0; n < 2; n++)
        free(worked[n]);
    tm_tag_end(scope);
    return nothing;
}

static void mapped(void) {
    pages = mmap(NULL, 10 * PAGE, PROTECTION, FLAGS, -1, 0);
    munmap(pages + 4 * PAGE, 2 * PAGE);
    char *more = mmap(NULL, 3 * PAGE, PROTECTION, FLAGS, -1, 0);
    munmap(more + 2 * PAGE, PAGE);
}

static void child(void) {
    free(requested[0]);
    tm_tag_scope scope = tm_tag("child");
    of_child = malloc(11);
    tm_tag_end(scope);
    tm_untrack(POOL, 0x10);
    munmap(pages, 4 * PAGE);
    tm_take_snapshot("child");
}

int main(void) {
    forgotten();
    labelled();
    tracked();
    pthread_t thread;
    if (pthread_create(&thread, NULL, worker, NULL) != 0)
        return 1;
    pthread_join(thread, NULL);
    tm_take_snapshot("after");
    mapped();
    pid_t pid = fork();
    if (pid == 0) {
        child();
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    return 0;
}

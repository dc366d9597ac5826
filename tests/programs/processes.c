/* One scenario of processes per argument. Each does a known number of calls, which tests/processes.rs repeats. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static void *(*volatile volatile_malloc)(size_t) = malloc;
static void (*volatile volatile_free)(void *) = free;

static void allocate(int n, size_t size) {
    for (int i = 0; i < n; i++)
        volatile_malloc(size);
}

static void wait_for(pid_t child) {
    int status;
    if (child <= 0 || waitpid(child, &status, 0) != child)
        _exit(98);
    if (status != 0 && status != 4 << 8)
        _exit(97);
}

/* The parent: 10 of 100 bytes, 5 of 11 after the fork. The child frees 4 of the 10, allocates 7 of 1000, frees 2. */
static int fork_scenario(void) {
    void *blocks[10];
    for (int i = 0; i < 10; i++)
        blocks[i] = volatile_malloc(100);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 4; i++)
            volatile_free(blocks[i]);
        void *mine[7];
        for (int i = 0; i < 7; i++)
            mine[i] = volatile_malloc(1000);
        for (int i = 0; i < 2; i++)
            volatile_free(mine[i]);
        _exit(4);
    }
    allocate(5, 11);
    wait_for(child);
    for (int i = 0; i < 10; i++)
        volatile_free(blocks[i]);
    return 0;
}

/* A child of a child of a child; each allocates one block more than its parent. */
static int generations_scenario(void) {
    for (int generation = 1; generation <= 4; generation++) {
        allocate(generation, 50);
        pid_t child = fork();
        if (child != 0) {
            wait_for(child);
            _exit(generation == 1 ? 0 : 4);
        }
    }
    allocate(100, 50);
    _exit(4);
}

static int child_scenario(void) {
    allocate(33, 10);
    return 4;
}

static char *child_arguments[] = {"processes", "child", NULL};

static int exec_scenario(const char *me) {
    allocate(12, 10);
    execv(me, child_arguments);
    return 96;
}

static int vfork_scenario(const char *me) {
    allocate(12, 10);
    pid_t child = vfork();
    if (child == 0) {
        execv(me, child_arguments);
        _exit(95);
    }
    wait_for(child);
    /* And one that executes nothing: its events are its parent's, and its end is not its parent's end. */
    child = vfork();
    if (child == 0)
        _exit(4);
    wait_for(child);
    allocate(3, 10);
    return 0;
}

/* A child of vfork ends, and then its parent is killed: the recording must not say that the parent has ended. */
static int vfork_abort_scenario(void) {
    allocate(12, 10);
    pid_t child = vfork();
    if (child == 0)
        _exit(4);
    wait_for(child);
    abort();
}

static int spawn_scenario(const char *me) {
    allocate(12, 10);
    pid_t child = 0;
    if (posix_spawn(&child, me, NULL, NULL, child_arguments, environ) != 0)
        return 94;
    wait_for(child);
    allocate(3, 10);
    return 0;
}

static void *exits(void *argument) {
    allocate(9, 10);
    (void)argument;
    exit(6);
}

static int exit_in_thread_scenario(void) {
    pthread_t thread;
    allocate(1, 10);
    pthread_create(&thread, NULL, exits, NULL);
    pthread_join(thread, NULL);
    return 93;
}

static int is(const char *scenario, const char *name) {
    return strcmp(scenario, name) == 0;
}

int main(int argc, char **argv) {
    const char *scenario = argc > 1 ? argv[1] : "";
    if (is(scenario, "fork")) return fork_scenario();
    if (is(scenario, "generations")) return generations_scenario();
    if (is(scenario, "child")) return child_scenario();
    if (is(scenario, "exec")) return exec_scenario(argv[0]);
    if (is(scenario, "vfork")) return vfork_scenario(argv[0]);
    if (is(scenario, "vfork, abort")) return vfork_abort_scenario();
    if (is(scenario, "spawn")) return spawn_scenario(argv[0]);
    if (is(scenario, "exit in thread")) return exit_in_thread_scenario();
    allocate(21, 10);
    if (is(scenario, "_exit")) _exit(5);
    if (is(scenario, "_Exit")) _Exit(5);
    if (is(scenario, "quick_exit")) quick_exit(5);
    if (is(scenario, "abort")) abort();
    if (is(scenario, "segfault")) *(volatile int *)8 = 1;
    if (is(scenario, "pthread_exit")) pthread_exit(NULL);
    return 92;
}

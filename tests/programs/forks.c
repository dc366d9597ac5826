/* Ways to make a process, one scenario per argument. Every child allocates and gives it back; who counts is the
 * preloaded oracle. The second argument is how often. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_THREADS = 3 };

static void *(*volatile volatile_malloc)(size_t) = malloc;
static void (*volatile volatile_free)(void *) = free;
static atomic_int stop;
static char *me;

static void churn(int n) {
    void *kept[16] = {0};
    for (int i = 0; i < n; i++) {
        volatile_free(kept[i % 16]);
        kept[i % 16] = volatile_malloc((size_t)(i % 300));
    }
    for (int i = 0; i < 16; i++)
        volatile_free(kept[i]);
}

/* Rests now and then, so that the recording of many forks stays small. */
static void *churns(void *unused) {
    while (!stop) {
        churn(1000);
        usleep(200);
    }
    return unused;
}

/* What a child does: allocate, then one of the four ways to end. */
static void child(int number) {
    churn(200);
    switch (number % 4) {
    case 0: exit(40);
    case 1: _exit(41);
    case 2: execl(me, me, "child", NULL); _exit(99);
    default: abort();
    }
}

/* Waits for `pid`, or with -1 for any child, which must end so. */
static void wait_for(pid_t pid, int code, int signal) {
    int status;
    if (pid == 0 || waitpid(pid, &status, 0) <= 0) {
        puts("no child");
        exit(98);
    }
    int as_expected = signal ? WIFSIGNALED(status) && WTERMSIG(status) == signal
                             : WIFEXITED(status) && WEXITSTATUS(status) == code;
    if (!as_expected) {
        printf("status %x\n", status);
        exit(97);
    }
}

static void wait_for_number(pid_t pid, int number) {
    static const int codes[] = {40, 41, 42, 0}, signals[] = {0, 0, 0, SIGABRT};
    wait_for(pid, codes[number % 4], signals[number % 4]);
}

static void fork_while_others_allocate(int n) {
    pthread_t threads[N_THREADS];
    for (int i = 0; i < N_THREADS; i++)
        pthread_create(&threads[i], NULL, churns, NULL);
    for (int number = 0; number < n; number++) {
        pid_t pid = fork();
        if (pid == 0)
            child(number);
        wait_for_number(pid, number);
    }
    stop = 1;
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* The system call alone: no handler of pthread_atfork runs, and no lock of the C library is taken or released. */
static void raw_clone(int n) {
    for (int number = 0; number < n; number++) {
        churn(20);
        pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (pid == 0)
            child(number);
        wait_for_number(pid, number);
    }
}

/* A child of vfork that allocates: its parent's memory, so its parent's blocks. */
static void vfork_that_allocates(int n) {
    for (volatile int number = 0; number < n; number++) {
        churn(20);
        pid_t pid = vfork();
        if (pid == 0) {
            for (int i = 0; i < 10; i++)
                volatile_free(volatile_malloc(55));
            _exit(41);
        }
        wait_for(pid, 41, 0);
    }
}

/* Children that fork themselves while their siblings run: all append to one file at one time. */
static void all_at_once(int n) {
    for (int number = 0; number < n; number++)
        if (fork() == 0) {
            churn(2000);
            pid_t grandchild = fork();
            if (grandchild == 0) {
                churn(2000);
                _exit(41);
            }
            churn(2000);
            wait_for(grandchild, 41, 0);
            _exit(41);
        }
    for (int number = 0; number < n; number++)
        wait_for(-1, 41, 0);
}

/* Each process is number 1 of its own namespace, and so is its parent. */
static void first_of_their_namespaces(int n) {
    churn(100);
    if (n == 0)
        _exit(41);
    if (unshare(CLONE_NEWPID) != 0)
        _exit(96);
    pid_t pid = fork();
    if (pid == 0) {
        if (getpid() != 1)
            _exit(95);
        first_of_their_namespaces(n - 1);
    }
    wait_for(pid, 41, 0);
    if (getpid() == 1)
        _exit(41);
}

int main(int argc, char **argv) {
    const char *scenario = argc > 1 ? argv[1] : "";
    int n = argc > 2 ? atoi(argv[2]) : 1;
    me = argv[0];
    if (!strcmp(scenario, "child")) {
        churn(50);
        return 42;
    }
    if (!strcmp(scenario, "fork while others allocate")) fork_while_others_allocate(n);
    if (!strcmp(scenario, "raw clone")) raw_clone(n);
    if (!strcmp(scenario, "vfork that allocates")) vfork_that_allocates(n);
    if (!strcmp(scenario, "all at once")) all_at_once(n);
    if (!strcmp(scenario, "first of their namespaces")) first_of_their_namespaces(n);
    puts("done");
    return 3;
}

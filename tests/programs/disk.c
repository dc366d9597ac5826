/* Allocates, does to its recording or to itself what the arguments say, one after the other, and allocates after each.
 * Who counts is the preloaded oracle; DISK_FILE is the recording's path, if it matters.
 *
 *   disk ACTION...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Headers of before Linux 5.6 have it not. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif

enum { N = 400000, N_FEW = 1000, SLOTS = 1024, NOBODY = 65534 };

static void *(*volatile volatile_malloc)(size_t) = malloc;
static void (*volatile volatile_free)(void *) = free;
static unsigned random_state = 1;

/* Sizes and addresses vary, so that events are long: some 4 MB for N. */
static void churn(int n) {
    void **kept = calloc(SLOTS, sizeof *kept);
    for (int i = 0; i < n; i++) {
        random_state = random_state * 1103515245 + 12345;
        void **place = &kept[random_state >> 8 & (SLOTS - 1)];
        volatile_free(*place);
        *place = volatile_malloc(random_state >> 20);
    }
    for (int i = 0; i < SLOTS; i++)
        volatile_free(kept[i]);
    free(kept);
}

static void must(int ok, const char *what) {
    if (ok)
        return;
    printf("%s: %s\n", what, strerror(errno));
    exit(99);
}

static void *in_a_thread(void *unused) {
    churn(N_FEW);
    return unused;
}

static void thread_and_child(void) {
    pthread_t thread;
    must(pthread_create(&thread, NULL, in_a_thread, NULL) == 0, "thread");
    pthread_join(thread, NULL);
    pid_t child = fork();
    if (child == 0) {
        churn(N / 8);
        _exit(4);
    }
    int status;
    must(child > 0 && waitpid(child, &status, 0) == child && status == 4 << 8, "child");
}

/* From now on none of these may be called, on pain of death. */
static void forbid_files(void) {
    static const unsigned numbers[] = {
        SYS_openat, SYS_openat2, SYS_fallocate, SYS_ftruncate, SYS_pwrite64,
#ifdef SYS_open /* Newer processors have SYS_openat alone. */
        SYS_open,
#endif
    };
    enum { N_NUMBERS = sizeof numbers / sizeof *numbers };
    struct sock_filter filter[2 * N_NUMBERS + 2] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    for (int i = 0; i < N_NUMBERS; i++) {
        filter[1 + 2 * i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[i], 0, 1);
        filter[2 + 2 * i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    }
    filter[2 * N_NUMBERS + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no new privileges");
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp");
}

/* What is done to the file is done by somebody who knows nothing of recordings: without us there is none to do it to. */
static void act(const char *action, const char *file) {
    char other[4096];
    snprintf(other, sizeof other, "%s.moved", file ? file : "");
    if (!strcmp(action, "churn")) {
        churn(N);
    } else if (!strcmp(action, "chroot")) {
        must(mkdir("empty", 0700) == 0 && chroot("empty") == 0 && chdir("/") == 0, action);
    } else if (!strcmp(action, "user")) {
        must(setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0, action);
        must(setresuid(NOBODY, NOBODY, NOBODY) == 0, action);
    } else if (!strcmp(action, "descriptors")) {
        while (open("/dev/null", O_RDONLY) >= 0)
            ;
        must(errno == EMFILE, action);
    } else if (!strcmp(action, "seccomp")) {
        forbid_files();
    } else if (!strcmp(action, "rename")) {
        (void)!rename(file, other);
    } else if (!strcmp(action, "delete")) {
        /* A second name keeps it readable for the test. */
        (void)!link(file, other);
        unlink(file);
    } else if (!strcmp(action, "symlink")) {
        (void)!rename(file, other);
        (void)!symlink(getenv("DISK_VICTIM"), file);
    } else if (!strcmp(action, "hard link")) {
        (void)!rename(file, other);
        (void)!link(getenv("DISK_VICTIM"), file);
    } else if (!strcmp(action, "cut the hole")) {
        /* 8 MiB are more than this program has recorded, and less than the file's length. */
        (void)!truncate(file, 8 << 20);
    } else if (!strcmp(action, "make room")) {
        must(unlink(getenv("DISK_FILLER")) == 0, action);
    } else if (!strcmp(action, "thread and child")) {
        thread_and_child();
    } else if (!strcmp(action, "secret in the heap")) {
        for (int i = 0; i < N_FEW; i++)
            volatile_free(strdup(getenv("DISK_SECRET")));
    } else if (!strcmp(action, "kill")) {
        raise(SIGKILL);
    } else if (!strcmp(action, "exec")) {
        execlp("true", "true", "an", "argument", NULL);
        must(0, action);
    } else if (!strcmp(action, "exec of nothing")) {
        must(execl("/nonexistent", "x", NULL) == -1 && errno == ENOENT, action);
    } else {
        must(0, "no such action");
    }
}

int main(int argc, char **argv) {
    const char *file = getenv("DISK_FILE");
    /* To shrink the arena of a thread, glibc opens a file of /proc, which the filter punishes. */
    mallopt(M_ARENA_MAX, 1);
    churn(N_FEW);
    for (int i = 1; i < argc; i++) {
        act(argv[i], file);
        if (i + 1 == argc)
            churn(N);
        else
            churn(N_FEW);
    }
    puts("done");
    return 7;
}

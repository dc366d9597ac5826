/* Allocates, gives up a right or a means as the argument says, and allocates enough for the recording to need room.
 * Prints what it did; who counts is the preloaded oracle. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_BEFORE = 1000, N_AFTER = 300000, NOBODY = 65534 };

static void *(*volatile volatile_malloc)(size_t) = malloc;
static void (*volatile volatile_free)(void *) = free;

/* Sizes and addresses vary, so that events are long. */
static void churn(int n) {
    enum { N = 1024 };
    void **kept = calloc(N, sizeof *kept);
    unsigned random = 1;
    for (int i = 0; i < n; i++) {
        random = random * 1103515245 + 12345;
        void **place = &kept[random >> 8 & (N - 1)];
        volatile_free(*place);
        *place = volatile_malloc(random >> 20);
    }
    for (int i = 0; i < N; i++)
        volatile_free(kept[i]);
    free(kept);
}

static void must(int ok, const char *what) {
    if (ok)
        return;
    printf("%s: %s\n", what, strerror(errno));
    exit(99);
}

/* From now on the system call `number` does what `action` says: fails, or kills the process. */
static void forbid(unsigned number, unsigned action) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no new privileges");
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp");
}

static void give_up(const char *what) {
    const unsigned refused = SECCOMP_RET_ERRNO | EPERM;
    if (!strcmp(what, "chroot")) {
        must(chroot(".") == 0 && chdir("/") == 0, what);
    } else if (!strcmp(what, "user")) {
        must(setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0, "setresgid");
        must(setresuid(NOBODY, NOBODY, NOBODY) == 0, "setresuid");
    } else if (!strcmp(what, "namespaces")) {
        must(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC) == 0, "unshare");
    } else if (!strcmp(what, "descriptors")) {
        while (open("/dev/null", O_RDONLY) >= 0)
            ;
        must(errno == EMFILE, "open");
    } else if (!strcmp(what, "open")) {
        forbid(SYS_openat, refused);
    } else if (!strcmp(what, "fallocate")) {
        forbid(SYS_fallocate, refused);
    } else if (!strcmp(what, "writable output")) {
        must(unshare(CLONE_NEWNS) == 0, "unshare");
        must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private mounts");
        must(mount("none", dirname(strdup(getenv("TM_OUT"))), "tmpfs", MS_RDONLY, NULL) == 0, "mount");
    } else if (!strcmp(what, "proc")) {
        must(unshare(CLONE_NEWNS) == 0, "unshare");
        must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private mounts");
        must(umount2("/proc", MNT_DETACH) == 0, "umount");
    }
}

static void *in_a_thread(void *unused) {
    churn(N_BEFORE);
    return unused;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    churn(N_BEFORE);
    give_up(what);
    if (argc > 2) {
        /* Starts again as another program, without what was given up. */
        execl(argv[2], argv[2], "", NULL);
        must(0, "exec");
    }
    churn(N_AFTER);
    pthread_t thread;
    must(pthread_create(&thread, NULL, in_a_thread, NULL) == 0, "thread");
    pthread_join(thread, NULL);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        churn(N_BEFORE);
        _exit(4);
    }
    int status;
    must(child > 0 && waitpid(child, &status, 0) == child && status == 4 << 8, "child");
    printf("done without %s\n", what);
    return 3;
}

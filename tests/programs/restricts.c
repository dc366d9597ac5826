/* restricts WHAT: forbids itself the processor's counter, all system calls but three, or locks its memory, and allocates.
   For "locked" a second argument is the limit in KiB, and a third how many threads it starts then. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void allocate(int times)
{
    void *volatile block;
    for (int i = 0; i < times; i++) {
        block = malloc(50 + i % 100);
        free(block);
    }
}

static void *in_a_thread(void *nothing)
{
    allocate(1000);
    return nothing;
}

static int counter(void)
{
    allocate(1000);
    if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0))
        return 1;
    allocate(1000);
    pthread_t thread;
    if (pthread_create(&thread, 0, in_a_thread, 0) || pthread_join(thread, 0))
        return 1;
    allocate(1000);
    puts("done");
    return 0;
}

static int strict(void)
{
    allocate(10);
    if (prctl(PR_SET_SECCOMP, 1))
        return 1;
    /* More than what was allocated of the file before. */
    allocate(200000);
    if (write(1, "done\n", 5) == 5)
        syscall(SYS_exit, 0);
    return 1;
}

static int locked(long kib, int n_wanted)
{
    struct rlimit limit = {kib << 10, kib << 10};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) || (!getuid() && (setgid(65534) || setuid(65534))))
        return 1;
    int result = mlockall(MCL_CURRENT | MCL_FUTURE);
    printf("%s\n", result ? strerror(errno) : "locked");
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    pthread_t threads[6];
    int n = 0;
    for (int i = 0; i < n_wanted; i++)
        n += !pthread_create(threads + n, &attributes, in_a_thread, 0);
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], 0);
    printf("%d threads\n", n);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 2)
        return locked(atol(argv[2]), argc > 3 ? atoi(argv[3]) : 6);
    return argc > 1 && !strcmp(argv[1], "strict") ? strict() : counter();
}

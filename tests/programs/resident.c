/* Allocates and frees in many threads, and in children that children fork, and says what the process has mapped: after
 * some events, and after many more of the same.
 *
 *   resident THREADS FEW MANY [GENERATIONS [SWITCHES]]
 *
 * FEW and MANY are events of all threads together. A line is `RssFile VmSize`, in KiB, of /proc/self/status. With
 * SWITCHES each block is allocated by another way through so many levels of two functions. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *(*volatile allocate)(size_t) = malloc;
static pthread_barrier_t barrier;
static unsigned long n_threads, few, many, switches;

static void *one_way(unsigned long way, unsigned long depth);
static void *other_way(unsigned long way, unsigned long depth);

#define WAY(name)                                                                                                      \
    static __attribute__((noinline)) void *name(unsigned long way, unsigned long depth) {                              \
        void *block = depth == 0    ? allocate(32 + way % 64)                                                          \
                      : way >> depth & 1 ? one_way(way, depth - 1)                                                     \
                                         : other_way(way, depth - 1);                                                  \
        *(volatile char *)block = 1;                                                                                   \
        return block;                                                                                                  \
    }
WAY(one_way)
WAY(other_way)

static void churn(unsigned long n_events) {
    for (unsigned long n = 0; n < n_events / 2; n++)
        free(one_way(n, switches));
}

static void say(const char *who) {
    char line[256];
    unsigned long rss_file = 0, size = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (!status)
        exit(2);
    while (fgets(line, sizeof line, status)) {
        sscanf(line, "RssFile: %lu", &rss_file);
        sscanf(line, "VmSize: %lu", &size);
    }
    fclose(status);
    printf("%s %lu %lu\n", who, rss_file, size);
    fflush(stdout);
}

static void *work(void *unused) {
    (void)unused;
    churn(few / n_threads);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    churn(many / n_threads);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void run(const char *who) {
    free(allocate(1)); /* the process is known before its threads are */
    pthread_t threads[n_threads];
    pthread_barrier_init(&barrier, NULL, n_threads + 1);
    for (unsigned long n = 0; n < n_threads; n++)
        if (pthread_create(&threads[n], NULL, work, NULL))
            exit(2);
    for (int phase = 0; phase < 2; phase++) {
        pthread_barrier_wait(&barrier);
        say(who);
        pthread_barrier_wait(&barrier);
    }
    for (unsigned long n = 0; n < n_threads; n++)
        pthread_join(threads[n], NULL);
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 2;
    n_threads = strtoul(argv[1], NULL, 10);
    few = strtoul(argv[2], NULL, 10);
    many = strtoul(argv[3], NULL, 10);
    unsigned long generations = argc > 4 ? strtoul(argv[4], NULL, 10) : 0;
    switches = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;
    run("first");
    for (unsigned long n = 0; n < generations; n++) {
        pid_t child = fork();
        if (child < 0)
            return 2;
        if (child > 0) {
            int status;
            return waitpid(child, &status, 0) != child || status;
        }
        run("child");
    }
    return 0;
}

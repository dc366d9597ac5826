/* Allocates and frees by a seed, in several threads one after the other and then all at once, for as long as it is told to.
 *
 *   bounded ROUNDS SEED THREADS [PACE]
 *
 * A round is 65,536 steps. What comes, goes and stays is the same each time but for the order of the threads that run at once,
 * which live far below the peak. While less than PACE hundredths of its recording's limit are free it waits, so that nothing is
 * lost however slow its keeper is: it looks at the recording's header, which is in its memory. */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 1500, STEPS = 65536, BETWEEN_LOOKS = 64, GRAIN = 4096 };

static const volatile char *header;
static unsigned long pace;

#define SITE(name, make)                                                                                               \
    static __attribute__((noinline)) void *name(size_t size) {                                                         \
        void *block = make;                                                                                            \
        *(volatile char *)block = 1;                                                                                   \
        return block;                                                                                                  \
    }
SITE(one_site, malloc(size))
SITE(another_site, calloc(1, size))
SITE(third_site, malloc(size + 100))

/* The first shared mapping of a recording's beginning. */
static void find_header(void) {
    static char text[1 << 16];
    int fd = open("/proc/self/maps", O_RDONLY);
    size_t len = 0;
    ssize_t n;
    while (fd >= 0 && len < sizeof text - 1 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += n;
    close(fd);
    for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        char *end;
        unsigned long start = strtoul(line, &end, 16);
        strtoul(end + 1, &end, 16);
        if (strncmp(end, " rw-s 00000000 ", 15) == 0 && memcmp((void *)start, "\x89TMREC\r\n", 8) == 0)
            header = (const volatile char *)start;
    }
}

static uint64_t word(size_t at) { return *(const volatile uint64_t *)(header + at); }

static int is_tight(void) {
    uint64_t end = word(96), list = word(3760), limit = word(3768);
    uint64_t extent = *(const volatile uint32_t *)(header + 3776);
    uint64_t listed = (uint16_t)((list >> 32) - (list >> 48)) * extent;
    return limit && end <= limit && (limit - end + listed) * 100 < limit * pace;
}

static void wait_for_room(void) {
    struct timespec pause = {0, 1000000};
    for (int n = 0; n < 120000 && is_tight(); n++)
        nanosleep(&pause, NULL);
}

struct work {
    uint64_t seed;
    unsigned long rounds, slots;
};

static uint64_t next(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void *churn(void *argument) {
    struct work *work = argument;
    void *slots[SLOTS] = {0};
    for (unsigned long step = 0; step < work->rounds * STEPS; step++) {
        uint64_t random = next(&work->seed);
        void **slot = &slots[random % work->slots];
        size_t size = 16 + (random >> 20) % 500;
        if (pace && step % BETWEEN_LOOKS == 0)
            wait_for_room();
        if (*slot && random >> 40 & 1) {
            free(*slot);
            *slot = NULL;
        } else if (*slot) {
            *slot = realloc(*slot, size);
        } else {
            int site = random >> 41 & 3;
            *slot = site == 0 ? one_site(size) : site == 1 ? another_site(size) : third_site(size);
        }
    }
    /* A third of what is left stays. */
    for (unsigned long n = 0; n < work->slots; n++)
        if (n % 3)
            free(slots[n]);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 2;
    unsigned long rounds = strtoul(argv[1], NULL, 10), seed = strtoul(argv[2], NULL, 10);
    unsigned long n_threads = strtoul(argv[3], NULL, 10);
    pace = argc > 4 ? strtoul(argv[4], NULL, 10) : 0;
    free(malloc(1));
    find_header();
    if (pace && !header)
        pace = 0;
    struct work work = {seed * 2654435761u + 1, rounds / 2, SLOTS};
    churn(&work);
    /* The peak, once. */
    void *large = one_site(100 << 20);
    free(large);
    pthread_t threads[64];
    struct work works[64];
    for (unsigned long n = 0; n < n_threads; n++) {
        works[n] = (struct work){seed * 40503u + n + 1, (rounds - rounds / 2) / n_threads, 300};
        pthread_create(&threads[n], NULL, churn, &works[n]);
    }
    for (unsigned long n = 0; n < n_threads; n++)
        pthread_join(threads[n], NULL);
    return 0;
}

/* Waits while a program's recording has little room left: while less than PACE hundredths of its limit are free. So nothing is lost
 * however slow its keeper is. The recording's header is looked at, which is in the program's memory. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const volatile char *header;
static unsigned long pace;

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

/* Begins to look, if `hundredths` are more than 0 and there is a recording. */
static void look_at_room(unsigned long hundredths) {
    free(malloc(1));
    find_header();
    pace = header ? hundredths : 0;
}

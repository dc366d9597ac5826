/* Maps memory in all the ways there are: `mappings SCENARIO NOTES`.
 *
 * At each mark NOTES gets a line with the ranges that the program has then, as /proc/self/maps says: those of one memory
 * file, which nobody else maps, and in the arenas that scenarios without it name; for brk, what the kernel's own break
 * says. A mark is an allocation of MARK + n bytes. What is printed must not depend on who stands in front of mmap, so no
 * address is. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

enum { MARK = 500000, N_ARENAS = 8, N_THREADS = 4, N_PLACES = 32 };
#define PAGE ((size_t)4096)
#define READ_WRITE (PROT_READ | PROT_WRITE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

static void *(*volatile volatile_malloc)(size_t) = malloc;
static void (*volatile volatile_free)(void *) = free;

static int file, notes;
static char *early;
static struct {
    uintptr_t start, end;
} arenas[N_ARENAS];
static int n_arenas;
static uintptr_t breaks[N_ARENAS][2];
static int n_breaks;

static void say(const char *format, ...) {
    char line[200];
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    len += snprintf(line + len, sizeof line - (size_t)len, ", errno %d\n", error);
    if (write(1, line, (size_t)len) != len)
        _exit(99);
    errno = 0;
}

static char *checked(void *start) {
    if (start == MAP_FAILED) {
        say("a call fails that should not");
        _exit(98);
    }
    return start;
}

static void check(int result) {
    if (result != 0)
        checked(MAP_FAILED);
}

/* A range of the file, wherever there is room. */
static char *map_anywhere(size_t n_pages) {
    return checked(mmap(NULL, n_pages * PAGE, READ_WRITE, MAP_SHARED, file, 0));
}

/* A range of the file where nobody else maps: its holes stay holes. */
static char *map(size_t n_pages) {
    static char *next = (char *)0x100000000000;
    char *start = next;
    next += n_pages * PAGE;
    return checked(mmap(start, n_pages * PAGE, READ_WRITE, MAP_SHARED, file, 0));
}

static char *map_over(char *start, size_t n_pages) {
    return checked(mmap(start, n_pages * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0));
}

static void add_arena(char *start, size_t n_pages) {
    arenas[n_arenas].start = (uintptr_t)start;
    arenas[n_arenas++].end = (uintptr_t)start + n_pages * PAGE;
}

/* Runs before any constructor. */
static void before_all(void) {
    file = (int)syscall(SYS_memfd_create, "mappings-test", 0);
    if (ftruncate(file, 1 << 30) != 0)
        _exit(97);
    early = mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, file, 0);
    munmap(early + PAGE, PAGE);
}
__attribute__((section(".preinit_array"), used)) static void (*preinit)(void) = before_all;

static void note_range(uintptr_t start, uintptr_t end) {
    dprintf(notes, " %zx-%zx", start, end);
}

static void note_line(char *line) {
    uintptr_t start, end;
    if (sscanf(line, "%zx-%zx", &start, &end) != 2)
        return;
    if (strstr(line, "/memfd:mappings-test"))
        note_range(start, end);
    for (int i = 0; i < n_arenas; i++) {
        uintptr_t from = start > arenas[i].start ? start : arenas[i].start;
        uintptr_t until = end < arenas[i].end ? end : arenas[i].end;
        if (from < until && !strstr(line, "/memfd:mappings-test"))
            note_range(from, until);
    }
}

/* Nothing is allocated here but the mark. */
static void mark(int n) {
    static char maps[1 << 20];
    volatile_free(volatile_malloc((size_t)(MARK + n)));
    size_t len = 0;
    ssize_t got;
    int fd = open("/proc/self/maps", O_RDONLY);
    while ((got = read(fd, maps + len, sizeof maps - 1 - len)) > 0)
        len += (size_t)got;
    close(fd);
    maps[len] = 0;
    dprintf(notes, "%d", n);
    for (char *line = strtok(maps, "\n"); line; line = strtok(NULL, "\n"))
        note_line(line);
    for (int i = 0; i < n_breaks; i++)
        note_range(breaks[i][0], breaks[i][1]);
    dprintf(notes, "\n");
}

static void unmap(void) {
    char *whole = map(10), *start = map(10), *end = map(10), *middle = map(10), *two = map(4);
    mark(1);
    check(munmap(whole, 10 * PAGE));
    check(munmap(start, 3 * PAGE - 100)); /* A size is rounded up. */
    check(munmap(end + 6 * PAGE, 4 * PAGE));
    check(munmap(middle + 4 * PAGE, 2 * PAGE));
    mark(2);
    check(munmap(middle, 10 * PAGE)); /* With the hole in it. */
    check(munmap(two, PAGE));
    check(munmap(two, PAGE)); /* Nothing is there any more: success. */
    check(munmap(NULL, PAGE));
    mark(3);
    char *odd = checked(mmap64(NULL, 2 * PAGE + 1, PROT_NONE, MAP_PRIVATE, file, 4 * PAGE));
    mark(4);
    check(munmap(odd, 3 * PAGE));
}

static void fixed(void) {
    char *arena = map(40);
    map_over(arena + 10 * PAGE, 5);
    map_over(arena + 12 * PAGE, 10);
    mark(1);
    check(munmap(arena + 20 * PAGE, 10 * PAGE));
    map_over(arena + 25 * PAGE, 10); /* Half over a hole. */
    mark(2);
    map_over(arena, 40);
    mark(3);
    checked(mmap(arena + 5 * PAGE, PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0));
    add_arena(arena, 40);
    mark(4);
}

static void remap(void) {
    char *a = map(10), *room = map(100), *b = room + 50 * PAGE;
    check(munmap(room, 50 * PAGE));
    check(munmap(b + 10 * PAGE, 40 * PAGE));
    mark(1);
    b = checked(mremap(b, 10 * PAGE, 20 * PAGE, 0)); /* In place: the place behind it is free. */
    mark(2);
    b = checked(mremap(b, 20 * PAGE, 5 * PAGE, 0));
    mark(3);
    a = checked(mremap(a, 10 * PAGE, 2000 * PAGE, MREMAP_MAYMOVE));
    a[1999 * PAGE] = 1;
    mark(4);
    char *target = map(30);
    char *moved = checked(mremap(a, 20 * PAGE, 20 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + 5 * PAGE));
    say("moved where it should: %d", moved == target + 5 * PAGE);
    mark(5);
    char *again = checked(mremap(moved, 0, 7 * PAGE, MREMAP_MAYMOVE)); /* The same pages once more. */
    say("content is shared: %d", (moved[3] = 42, again[3]) == 42);
    mark(6);
    char *middle = map(30);
    middle = checked(mremap(middle + 10 * PAGE, 5 * PAGE, 300 * PAGE, MREMAP_MAYMOVE)); /* A part of a range. */
    mark(7);
    check(munmap(middle, 300 * PAGE));
    char *odd = map(3);
    checked(mremap(odd, 2 * PAGE + 1, PAGE + 1, MREMAP_MAYMOVE)); /* Both sizes are rounded up. */
    mark(8);
}

static void keep(void) {
    char *old = checked(mmap(NULL, 50 * PAGE, READ_WRITE, ANONYMOUS, -1, 0));
    memset(old, 1, 50 * PAGE);
    char *new = checked(mremap(old, 50 * PAGE, 50 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL));
    say("old is empty: %d, new has it: %d", old[9] == 0, new[9] == 1);
    add_arena(old, 50);
    add_arena(new, 50);
    mark(1);
    check(munmap(old, 20 * PAGE));
    mark(2);
}

static uintptr_t kernel_break(void) {
    return (uintptr_t)syscall(SYS_brk, 0);
}

static void program_break(void) {
    uintptr_t start = kernel_break();
    say("sbrk(0) is the break: %d", (uintptr_t)sbrk(0) == start);
    say("sbrk grows from it: %d", (uintptr_t)sbrk(100000) == start);
    n_breaks = 1;
    breaks[0][0] = start;
    breaks[0][1] = kernel_break();
    mark(1);
    say("brk: %d", brk((void *)(start + 300000)));
    breaks[0][1] = kernel_break();
    mark(2);
    say("sbrk shrinks: %d", (uintptr_t)sbrk(-200000) == start + 300000);
    breaks[0][1] = kernel_break();
    mark(3);
    say("brk where it is: %d", brk(sbrk(0)));
    say("brk(NULL): %d", brk(NULL));
    say("it has not moved: %d", kernel_break() == breaks[0][1]);
    mark(4);
    say("brk: %d", brk((void *)(start + 50000)));
    breaks[0][1] = kernel_break();
    mark(5);
}

/* 100 MiB ten times at one place are never more than 100 MiB. */
static void again(void) {
    size_t n_pages = (100 << 20) / PAGE;
    check(munmap(early, PAGE)); /* Its hole may be somebody else's by now. */
    check(munmap(early + 2 * PAGE, PAGE));
    char *start = map(n_pages);
    for (int i = 0; i < 9; i++)
        map_over(start, n_pages);
    mark(1);
    check(munmap(start, n_pages * PAGE));
    mark(2);
}

static void reserve(void) {
    size_t tib = (size_t)1 << 40, n_pages = 3 * tib / PAGE;
    char *arena = checked(mmap(NULL, 3 * tib, PROT_NONE, ANONYMOUS | MAP_NORESERVE, -1, 0));
    add_arena(arena, n_pages);
    map_over(arena + tib, 1000); /* As garbage collectors do. */
    check(mprotect(arena, 10 * PAGE, READ_WRITE));
    check(madvise(arena, 10 * PAGE, MADV_DONTNEED));
    mark(1);
    check(munmap(arena + 2 * tib, tib));
    n_arenas = 0;
    add_arena(arena, 2 * tib / PAGE);
    mark(2);
}

static void failures(void) {
    char *range = map(10), *hole = map(10);
    check(munmap(hole, 10 * PAGE));
    say("of size 0: %d", mmap(NULL, 0, READ_WRITE, ANONYMOUS, -1, 0) == MAP_FAILED);
    say("no such file: %d", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, 12345, 0) == MAP_FAILED);
    say("odd offset: %d", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 17) == MAP_FAILED);
    say("odd address: %d", mmap(range + 1, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED);
    say("neither shared nor private: %d", mmap64(NULL, PAGE, PROT_READ, 0, file, 0) == MAP_FAILED);
    say("all there is: %d", mmap(NULL, SIZE_MAX / 2, PROT_NONE, ANONYMOUS, -1, 0) == MAP_FAILED);
    say("all and more: %d", mmap(NULL, SIZE_MAX, PROT_NONE, ANONYMOUS, -1, 0) == MAP_FAILED);
    int no_replace = MAP_SHARED | MAP_FIXED_NOREPLACE;
    say("there is one: %d", mmap(range, PAGE, PROT_READ, no_replace, file, 0) == MAP_FAILED);
    say("munmap of size 0: %d", munmap(range, 0));
    say("munmap, odd: %d", munmap(range + 1, PAGE));
    say("munmap of everything: %d", munmap(range, SIZE_MAX - 2 * PAGE));
    say("mremap, odd: %d", mremap(range + 1, PAGE, PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
    say("mremap to size 0: %d", mremap(range, PAGE, 0, MREMAP_MAYMOVE) == MAP_FAILED);
    say("mremap of nothing: %d", mremap((void *)PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
    say("mremap in place: %d", mremap(range, PAGE, 2 * PAGE, 0) == MAP_FAILED);
    say("mremap, no such flag: %d", mremap(range, PAGE, PAGE, 1 << 20) == MAP_FAILED);
    say("fixed without leave to move: %d", mremap(range, PAGE, PAGE, MREMAP_FIXED, hole) == MAP_FAILED);
    say("to itself: %d", mremap(range, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, range) == MAP_FAILED);
    say("sbrk too far: %d", sbrk(INTPTR_MAX) == (void *)-1);
    say("sbrk too far back: %d", sbrk(INTPTR_MIN + 1) == (void *)-1);
    say("brk too far: %d", brk((void *)(UINTPTR_MAX / 4)));
    errno = 77;
    check(munmap(map(1), PAGE));
    say("success leaves errno alone");
    mark(1);
}

static void *map_at_random(void *number) {
    unsigned seed = (unsigned)(uintptr_t)number + 1;
    char *places[N_PLACES] = {0};
    size_t sizes[N_PLACES] = {0};
    for (int round = 0; round < 3000; round++) {
        seed = seed * 1103515245 + 12345;
        unsigned place = seed >> 16 & (N_PLACES - 1), n_pages = 1 + (seed >> 24 & 7);
        if (!places[place]) {
            places[place] = map_anywhere(n_pages);
        } else if (seed >> 28 & 1) {
            check(munmap(places[place], sizes[place] * PAGE));
            places[place] = NULL;
        } else {
            places[place] = checked(mremap(places[place], sizes[place] * PAGE, n_pages * PAGE, MREMAP_MAYMOVE));
        }
        sizes[place] = n_pages;
    }
    return NULL;
}

static void threads(void) {
    pthread_t ids[N_THREADS];
    for (uintptr_t i = 0; i < N_THREADS; i++)
        pthread_create(&ids[i], NULL, map_at_random, (void *)i);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(ids[i], NULL);
    mark(1);
}

static void children(void) {
    char *a = map(10), *b = map(20);
    static char *volatile by_vfork;
    pid_t child = vfork();
    if (child == 0) {
        by_vfork = map(5);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    mark(1);
    child = fork();
    if (child == 0) {
        check(munmap(a + 2 * PAGE, 3 * PAGE));
        check(munmap(by_vfork, 5 * PAGE));
        map(7);
        mark(2);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    check(munmap(b, 20 * PAGE));
    mark(3);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } scenarios[] = {
        {"unmap", unmap},     {"fixed", fixed},       {"remap", remap},     {"keep", keep},
        {"break", program_break}, {"again", again},   {"reserve", reserve}, {"failures", failures},
        {"threads", threads}, {"children", children},
    };
    /* Marks are larger, so that none takes part of the break. */
    mallopt(M_MMAP_THRESHOLD, 1 << 17);
    notes = argc == 3 ? open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600) : -1;
    for (size_t i = 0; notes >= 0 && i < sizeof scenarios / sizeof *scenarios; i++) {
        if (strcmp(argv[1], scenarios[i].name) == 0) {
            errno = 0;
            mark(0);
            scenarios[i].run();
            say("done");
            return 0;
        }
    }
    return 2;
}

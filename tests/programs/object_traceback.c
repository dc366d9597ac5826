// Asks where random live blocks were allocated, and knows it better: each was allocated at one of 48 marked lines, some in
// inlined functions, some in a recursion of known depth. Then asks of what is no live block.
//
// usage: object_traceback QUESTIONS
#include "tm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLAIN = 24, INLINED = 12, RECURSIVE = 12, SITES = PLAIN + INLINED + RECURSIVE, BLOCKS = 20000 };

// What is known of a block.
struct known {
    char *block;
    size_t size;
    int site;
    unsigned line;       // that allocated it
    unsigned outer_line; // of an inlined allocation, where it was inlined
    unsigned n_inlined;  // how many functions were inlined into the one that allocates
    unsigned caller_line; // that called the one that allocates
    unsigned depth;      // of a recursive one, how often its function is on the stack
};

static struct known blocks[BLOCKS];
static unsigned long long random_state = 20;

static unsigned below(unsigned limit) {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(random_state >> 33) % limit;
}

// The empty assembly keeps the call from being the function's last act, which would take its frame away.
#define ALLOCATE(known) \
    do { \
        (known)->line = __LINE__; \
        (known)->block = malloc((known)->size); \
        __asm__ volatile("" ::: "memory"); \
    } while (0)
#define PLAIN_SITE(n) __attribute__((noinline)) static void plain_##n(struct known *known)
#define INLINED_SITE(n) __attribute__((noinline)) static void inlined_##n(struct known *known)

PLAIN_SITE(0) { ALLOCATE(known); }
PLAIN_SITE(1) { ALLOCATE(known); }
PLAIN_SITE(2) { ALLOCATE(known); }
PLAIN_SITE(3) { ALLOCATE(known); }

PLAIN_SITE(4) {
    if (known->size % 2)
        ALLOCATE(known);
    else
        ALLOCATE(known);
}

PLAIN_SITE(5) {
    for (int i = 0; i < 3; i++) {
        ALLOCATE(known);
        if (i < 2)
            free(known->block);
    }
}

PLAIN_SITE(6) {
    known->block = malloc(1);
    known->line = __LINE__ + 1;
    known->block = realloc(known->block, known->size);
    __asm__ volatile("" ::: "memory");
}

PLAIN_SITE(7) {
    known->line = __LINE__ + 1;
    known->block = calloc(1, known->size);
    __asm__ volatile("" ::: "memory");
}

static void (*const plain[])(struct known *) = {plain_0, plain_1, plain_2, plain_3, plain_4, plain_5, plain_6, plain_7};

__attribute__((always_inline)) static inline void allocate_inlined(struct known *known) {
    ALLOCATE(known);
}

__attribute__((always_inline)) static inline void allocate_twice_inlined(struct known *known) {
    known->n_inlined = 2;
    known->outer_line = __LINE__ + 1;
    allocate_inlined(known);
}

INLINED_SITE(0) {
    known->n_inlined = 1;
    known->outer_line = __LINE__ + 1;
    allocate_inlined(known);
}

INLINED_SITE(1) {
    known->n_inlined = 1;
    known->outer_line = __LINE__ + 1;
    allocate_inlined(known);
}

INLINED_SITE(2) { allocate_twice_inlined(known); }
INLINED_SITE(3) { allocate_twice_inlined(known); }

static void (*const inlined[])(struct known *) = {inlined_0, inlined_1, inlined_2, inlined_3};

__attribute__((noinline)) static void recursive(struct known *known, unsigned depth) {
    if (depth > 1)
        recursive(known, depth - 1);
    else
        ALLOCATE(known);
    __asm__ volatile("" ::: "memory");
}

// The 36 sites that are not recursive are 12 functions, each called from three places.
__attribute__((noinline)) static void from_first_place(void (*site)(struct known *), struct known *known) {
    known->caller_line = __LINE__ + 1;
    site(known);
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) static void from_second_place(void (*site)(struct known *), struct known *known) {
    known->caller_line = __LINE__ + 1;
    site(known);
    __asm__ volatile("" ::: "memory");
}

static void allocate(struct known *known) {
    memset(known, 0, sizeof *known);
    known->size = 1 + below(1u << below(12));
    known->site = (int)below(SITES);
    if (known->site >= PLAIN + INLINED) {
        static const unsigned depths[RECURSIVE] = {1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 1000};
        known->depth = depths[known->site - PLAIN - INLINED];
        // Deep stacks are long answers.
        if (known->depth > 100 && below(8))
            known->depth = 4;
        recursive(known, known->depth);
        return;
    }
    int place = known->site % 3, function = known->site / 3;
    void (*site)(struct known *) = known->site < PLAIN ? plain[function] : inlined[function - PLAIN / 3];
    if (place == 0)
        from_first_place(site, known);
    else if (place == 1)
        from_second_place(site, known);
    else {
        known->caller_line = __LINE__ + 1;
        site(known);
    }
}

static int n_wrong;

static void wrong(const struct known *known, const char *what) {
    if (n_wrong++ < 10)
        printf("site %d, %zu bytes, line %u, depth %u: %s\n", known->site, known->size, known->line, known->depth, what);
}

static int is_own(const tm_frame *frame, unsigned line) {
    return frame->lineno == line && strstr(frame->filename, "object_traceback.c") != NULL;
}

static void ask(const struct known *known) {
    tm_traceback *traceback;
    if (tm_get_object_traceback(known->block + below((unsigned)known->size), &traceback) != TM_OK) {
        wrong(known, "not found");
        return;
    }
    if (traceback->address != (uintptr_t)known->block || traceback->size != known->size || traceback->domain != 0)
        wrong(known, "another block");
    // Inlined frames are extra, so there are at least as many as the stack had.
    if (traceback->n_frames < traceback->total_nframe || traceback->total_nframe == 0)
        wrong(known, "a cut stack");
    const tm_frame *latest = &traceback->frames[traceback->n_frames - 1];
    if (!is_own(latest, known->line))
        wrong(known, "another line");
    if (known->n_inlined != 0 && (!is_own(latest - 1, known->outer_line) || latest->address != 0))
        wrong(known, "another line around an inlined function");
    if (known->caller_line != 0 && !is_own(latest - 1 - known->n_inlined, known->caller_line))
        wrong(known, "another caller");
    unsigned depth = 0;
    for (size_t i = 0; i < traceback->n_frames; i++)
        depth += traceback->frames[i].function != NULL && strcmp(traceback->frames[i].function, "recursive") == 0;
    if (depth != known->depth)
        wrong(known, "another depth");
    tm_traceback_free(traceback);
}

static void must_not_be_found(const void *pointer, const char *what) {
    tm_traceback *traceback;
    int result = tm_get_object_traceback(pointer, &traceback);
    if ((result != TM_NOT_FOUND || traceback != NULL) && n_wrong++ < 10)
        printf("%s is found: %d\n", what, result);
    tm_traceback_free(traceback);
}

static int data = 1;

// `n_live` blocks are live; those behind them were freed.
static void ask_of_what_is_none(int n_live) {
    must_not_be_found(NULL, "null");
    must_not_be_found(&data, "data");
    must_not_be_found((const void *)(uintptr_t)&ask, "code");
    must_not_be_found("text", "read-only data");
    must_not_be_found(&n_live, "the stack");
    must_not_be_found((const void *)16, "a small number");
    must_not_be_found((const void *)UINTPTR_MAX, "the end of all memory");
    // glibc keeps 8 bytes at least between blocks, so these are in no other one.
    for (int i = 0; i < n_live; i++) {
        must_not_be_found(blocks[i].block + blocks[i].size, "one past the end");
        must_not_be_found(blocks[i].block - 1, "one before the start");
    }
    // Nothing was allocated since.
    for (int i = n_live; i < BLOCKS; i++)
        must_not_be_found(blocks[i].block, "a freed block");
}

int main(int argc, char **argv) {
    int n_questions = argc > 1 ? atoi(argv[1]) : 10000;
    setvbuf(stdout, NULL, _IONBF, 0);
    for (int i = 0; i < BLOCKS; i++)
        allocate(&blocks[i]);
    // Two thirds are freed, half of their addresses given away again.
    for (int i = 0; i < BLOCKS; i++) {
        struct known known = blocks[i];
        int other = i + (int)below((unsigned)(BLOCKS - i));
        blocks[i] = blocks[other];
        blocks[other] = known;
    }
    for (int i = BLOCKS / 3; i < BLOCKS; i++)
        free(blocks[i].block);
    for (int i = BLOCKS / 3; i < 2 * BLOCKS / 3; i++)
        allocate(&blocks[i]);
    // The addresses that were freed for good: not those that were given away again.
    int n_live = 2 * BLOCKS / 3;
    for (int i = 0; i < n_questions; i++)
        ask(&blocks[below((unsigned)n_live)]);
    void *empty = malloc(0);
    struct known known = {.block = empty, .site = -1, .line = __LINE__ - 1};
    tm_traceback *traceback;
    if (tm_get_object_traceback(empty, &traceback) != TM_OK || traceback->address != (uintptr_t)empty)
        wrong(&known, "a block without bytes is not found by its address");
    tm_traceback_free(traceback);
    free(empty);
    for (int i = n_live; i < BLOCKS; i++)
        for (int k = 0; k < n_live; k += 1)
            if (blocks[i].block >= blocks[k].block && blocks[i].block < blocks[k].block + blocks[k].size)
                blocks[i].block = NULL;
    ask_of_what_is_none(n_live);
    printf("%d questions, %d wrong answers\n", n_questions, n_wrong);
    return n_wrong != 0;
}

// What the two programs share that are CPython's tests of tracemalloc: claims, the stack as libgcc's unwinder sees it, and
// tm's answers.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#define EXPECT(condition) expect(condition, #condition, __LINE__)

enum { DEEP = 16, FRAMES_MAX = 64, DOMAIN = 5, SIZE = 42 };

static int n_wrong;

static void expect(int holds, const char *condition, int line) {
    if (!holds) {
        printf("line %d: not so: %s\n", line, condition);
        n_wrong++;
    }
}

// ---- Where we are, by another unwinder --------------------------------------------------------------------------------

struct stack {
    size_t n_frames;
    uintptr_t frames[FRAMES_MAX]; // innermost first: the allocating function, its caller, ...
};

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *data) {
    struct stack *stack = data;
    uintptr_t pc = _Unwind_GetIP(context);
    if (pc != 0 && stack->n_frames < FRAMES_MAX)
        stack->frames[stack->n_frames++] = pc;
    return _URC_NO_REASON;
}

// Whether a traceback is the innermost part of the noted stack, of at most `limit` frames, and its latest line is `line`.
__attribute__((unused)) static int is_here(const tm_traceback *traceback, const struct stack *stack, size_t limit, unsigned line) {
    size_t n_frames = stack->n_frames < limit ? stack->n_frames : limit;
    if (traceback == NULL || traceback->n_frames != n_frames)
        return 0;
    const tm_frame *latest = &traceback->frames[n_frames - 1];
    // The innermost return addresses are two of one function.
    for (size_t i = 1; i < n_frames; i++)
        if (latest[-(ptrdiff_t)i].address != stack->frames[i])
            return 0;
    return latest->lineno == line && strstr(latest->filename, "tracemalloc_") != NULL;
}

// ---- Questions with one answer ----------------------------------------------------------------------------------------

static tm_traceback *traceback_of(const void *block) {
    tm_traceback *traceback;
    int result = tm_get_object_traceback(block, &traceback);
    EXPECT(result == TM_OK || (result == TM_NOT_FOUND && traceback == NULL));
    return traceback;
}

__attribute__((unused)) static int is_traced(const void *block) {
    tm_traceback *traceback = traceback_of(block);
    int is_traced = traceback != NULL;
    tm_traceback_free(traceback);
    return is_traced;
}

static uint64_t traced(void) {
    uint64_t current;
    EXPECT(tm_get_traced_memory(&current, NULL) == TM_OK);
    return current;
}

__attribute__((unused)) static uint64_t traced_peak(void) {
    uint64_t peak;
    EXPECT(tm_get_traced_memory(NULL, &peak) == TM_OK);
    return peak;
}

__attribute__((unused)) static uint64_t traced_in_domain(void) {
    uint64_t current;
    EXPECT(tm_get_domain_memory(DOMAIN, &current, NULL) == TM_OK);
    return current;
}

// Memory of the program's own, which it may track.
__attribute__((unused)) static char slot[SIZE];

// ---- One of the tests -------------------------------------------------------------------------------------------------

struct test {
    const char *name;
    void (*run)(void);
};

#define TEST(name) {#name, name}

// Deeper than any limit of the tests.
__attribute__((noinline)) static void run_deep(void (*test)(void), int depth) {
    if (depth == 0)
        test();
    else
        run_deep(test, depth - 1);
    __asm__ volatile("" ::: "memory");
}

// The program's main: runs the one of `tests` that the argument names.
static int run_one(const struct test *tests, size_t n_tests, int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; i < n_tests; i++)
        if (argc > 1 && strcmp(argv[1], tests[i].name) == 0) {
            tm_start(1);
            run_deep(tests[i].run, DEEP);
            tm_stop();
            return n_wrong != 0;
        }
    puts("which test?");
    return 2;
}

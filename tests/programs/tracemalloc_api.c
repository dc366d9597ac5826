// CPython's own tests of tracemalloc while it traces (Lib/test/test_tracemalloc.py: TestTracemallocEnabled), against
// tm.h, one function a test, with its name. The argument chooses the test. What native code has not (reference
// objects, private functions, attributes of snapshots) is mapped to what stands for it; each such test says how.
//
// The program starts idle (TM_START=0), as Python does. What a file has to say is looked into by the test's driver.
#include "tracemalloc_api.h"
#include <sys/wait.h>
#include <unistd.h>

static const unsigned allocation_line = __LINE__ + 3;

__attribute__((noinline)) static void *allocate_bytes(size_t size, struct stack *stack) {
    void *block = malloc(size);
    stack->n_frames = 0;
    _Unwind_Backtrace(note_frame, stack);
    return block;
}

static void test_get_tracemalloc_memory(void) {
    struct stack stack;
    for (int count = 0; count < 1000; count++)
        EXPECT(allocate_bytes(123, &stack) != NULL);
    size_t size = tm_get_tracemalloc_memory();
    EXPECT(size > 0);
    tm_clear_traces();
    // The recording keeps what was, and is part of it; what is cleared is not given back, but nothing is added.
    EXPECT(tm_get_tracemalloc_memory() <= size);
}

static void test_get_object_traceback(void) {
    struct stack stack;
    tm_clear_traces();
    char *block = allocate_bytes(12345, &stack);
    tm_traceback *traceback = traceback_of(block);
    EXPECT(is_here(traceback, &stack, 1, allocation_line));
    EXPECT(traceback->address == (uintptr_t)block && traceback->size == 12345 && traceback->domain == TM_DOMAIN_HEAP);
    tm_traceback_free(traceback);
}

// Python takes a list from its list of free ones without asking the allocator, and the trace must name the new owner's
// line. A native pool says so itself: it tracks the slot again.
static void test_new_reference(void) {
    tm_clear_traces();
    EXPECT(tm_track(DOMAIN, (uintptr_t)slot, SIZE) == TM_OK);
    EXPECT(tm_untrack(DOMAIN, (uintptr_t)slot) == TM_OK);
    unsigned line = __LINE__ + 1;
    EXPECT(tm_track(DOMAIN, (uintptr_t)slot, SIZE) == TM_OK);
    tm_traceback *traceback = traceback_of(slot);
    EXPECT(traceback != NULL);
    // The call is inlined, so the line of tm.h is the latest, and this one its caller's: with one frame, both of one address.
    const tm_frame *here = traceback ? &traceback->frames[traceback->n_frames - 2] : NULL;
    EXPECT(here != NULL && traceback->n_frames == 2 && here->lineno == line);
    tm_traceback_free(traceback);
}

static void test_set_traceback_limit(void) {
    struct stack stack;
    tm_stop();
    EXPECT(tm_start(0) == TM_INVALID);
    EXPECT(tm_start((unsigned)-1) == TM_INVALID);
    EXPECT(tm_start(TM_NFRAME_MAX + 1) == TM_INVALID);
    EXPECT(!tm_is_tracing());
    static const unsigned limits[] = {10, 1};
    for (int i = 0; i < 2; i++) {
        unsigned limit = limits[i];
        tm_stop();
        EXPECT(tm_start(limit) == TM_OK);
        // While tracing: a no-op.
        EXPECT(tm_start(3) == TM_OK);
        EXPECT(tm_get_traceback_limit() == limit);
        tm_traceback *traceback = traceback_of(allocate_bytes(10, &stack));
        EXPECT(traceback != NULL && traceback->n_frames == limit);
        EXPECT(is_here(traceback, &stack, limit, allocation_line));
        // With one frame no stack is walked, so nobody knows how deep it was.
        EXPECT(traceback->total_nframe == (limit == 1 ? 0 : stack.n_frames));
        tm_traceback_free(traceback);
    }
}

// The list of all traces is private in Python; here it is in the dumped file, which the driver reads.
static void test_get_traces(void) {
    struct stack stack;
    tm_clear_traces();
    EXPECT(allocate_bytes(12345, &stack) != NULL);
    EXPECT(tm_dump_snapshot("get_traces.snap") == TM_OK);
    tm_stop();
    EXPECT(tm_dump_snapshot("stopped.snap") == TM_NOT_TRACING);
    printf("line %u\n", allocation_line);
}

// Python has one object for equal tracebacks; here equal stacks have one number in the recording, which the driver looks
// up. A program sees that their frames are the same.
static void test_get_traces_intern_traceback(void) {
    struct stack stack;
    tm_traceback *tracebacks[2];
    for (int i = 0; i < 2; i++)
        tracebacks[i] = traceback_of(allocate_bytes(123, &stack));
    EXPECT(is_here(tracebacks[0], &stack, 1, allocation_line));
    EXPECT(tracebacks[0]->frames[0].address == tracebacks[1]->frames[0].address);
    for (int i = 0; i < 2; i++)
        tm_traceback_free(tracebacks[i]);
}

static void test_get_traced_memory(void) {
    // Python needs some slack for objects of its own. There is none here.
    const size_t size = 1024 * 1024;
    struct stack stack;
    tm_clear_traces();
    void *block = allocate_bytes(size, &stack);
    EXPECT(traced() == size && traced_peak() == size);
    free(block);
    EXPECT(traced() == 0 && traced_peak() == size);
    block = allocate_bytes(size, &stack);
    tm_clear_traces();
    EXPECT(traced() == 0 && traced_peak() == 0);
    EXPECT(allocate_bytes(size, &stack) != NULL);
    EXPECT(traced() == size);
    // The free of a block from before is ignored.
    free(block);
    EXPECT(traced() == size && traced_peak() == size);
    tm_stop();
    EXPECT(traced() == 0 && traced_peak() == 0);
}

static void test_clear_traces(void) {
    struct stack stack;
    void *block = allocate_bytes(123, &stack);
    EXPECT(is_traced(block));
    tm_clear_traces();
    EXPECT(!is_traced(block));
}

static void test_reset_peak(void) {
    struct stack stack;
    tm_clear_traces();
    free(allocate_bytes(800000, &stack));
    EXPECT(traced() == 0 && traced_peak() == 800000);
    EXPECT(tm_reset_peak() == TM_OK);
    EXPECT(traced() == 0 && traced_peak() == 0);
    EXPECT(allocate_bytes(1024 * 1024, &stack) != NULL);
    EXPECT(traced() == 1024 * 1024 && traced_peak() == 1024 * 1024);
}

static void test_is_tracing(void) {
    tm_stop();
    EXPECT(!tm_is_tracing());
    EXPECT(tm_start(1) == TM_OK);
    EXPECT(tm_is_tracing());
}

// Of one moment: a mark in the recording, and a file. The driver compares the two.
static void test_snapshot(void) {
    struct stack stack;
    tm_stop();
    EXPECT(tm_start(2) == TM_OK);
    tm_traceback *traceback = traceback_of(allocate_bytes(123, &stack));
    EXPECT(traceback != NULL && traceback->total_nframe > 10);
    tm_traceback_free(traceback);
    EXPECT(tm_take_snapshot("snapshot") == TM_OK);
    EXPECT(tm_dump_snapshot("snapshot.snap") == TM_OK);
    tm_stop();
    EXPECT(tm_take_snapshot("after") == TM_NOT_TRACING);
    EXPECT(tm_dump_snapshot("after.snap") == TM_NOT_TRACING);
}

// A program's own attributes of a snapshot are in Python's pickle. Here it gives a snapshot its name, and blocks a tag;
// the driver finds both.
static void test_snapshot_save_attr(void) {
    struct stack stack;
    tm_tag_scope scope = tm_tag("test attribute");
    EXPECT(allocate_bytes(123, &stack) != NULL);
    tm_tag_end(scope);
    EXPECT(tm_take_snapshot("snapshot: new attribute") == TM_OK);
}

static void test_fork(void) {
    struct stack stack;
    void *block = allocate_bytes(1000, &stack);
    uint64_t before = traced();
    pid_t child = fork();
    if (child == 0) {
        EXPECT(tm_is_tracing());
        EXPECT(is_traced(block));
        EXPECT(traced() == before);
        EXPECT(allocate_bytes(500, &stack) != NULL);
        free(block);
        EXPECT(traced() == before - 500 && !is_traced(block));
        fflush(stdout);
        _exit(n_wrong != 0);
    }
    int status;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    EXPECT(traced() == before && is_traced(block));
}

// Python leaves out frames that have not begun. The native relative is a function that jumps to malloc: it has no frame,
// and its caller's is the latest, with name, file and line.
#if defined(__x86_64__)
__asm__(".pushsection .text\n"
        ".type jumps_to_malloc, @function\n"
        "jumps_to_malloc:\n"
        ".cfi_startproc\n"
        "    movl $321, %edi\n"
        "    jmp malloc@PLT\n"
        ".cfi_endproc\n"
        ".size jumps_to_malloc, . - jumps_to_malloc\n"
        ".popsection");
#else
__asm__(".pushsection .text\n"
        ".type jumps_to_malloc, %function\n"
        "jumps_to_malloc:\n"
        ".cfi_startproc\n"
        "    mov x0, #321\n"
        "    b malloc\n"
        ".cfi_endproc\n"
        ".size jumps_to_malloc, . - jumps_to_malloc\n"
        ".popsection");
#endif
void *jumps_to_malloc(void);

static void test_no_incomplete_frames(void) {
    tm_stop();
    EXPECT(tm_start(TM_NFRAME_MAX) == TM_OK);
    void *block = jumps_to_malloc();
    unsigned line = __LINE__ - 1;
    tm_traceback *traceback = traceback_of(block);
    EXPECT(traceback != NULL && traceback->size == 321 && traceback->n_frames == traceback->total_nframe);
    const tm_frame *latest = &traceback->frames[traceback->n_frames - 1];
    EXPECT(latest->lineno == line && strcmp(latest->function, "test_no_incomplete_frames") == 0);
    tm_traceback_free(traceback);
}

static const struct test tests[] = {
    TEST(test_get_tracemalloc_memory),
    TEST(test_get_object_traceback),
    TEST(test_new_reference),
    TEST(test_set_traceback_limit),
    TEST(test_get_traces),
    TEST(test_get_traces_intern_traceback),
    TEST(test_get_traced_memory),
    TEST(test_clear_traces),
    TEST(test_reset_peak),
    TEST(test_is_tracing),
    TEST(test_snapshot),
    TEST(test_snapshot_save_attr),
    TEST(test_fork),
    TEST(test_no_incomplete_frames),
};

int main(int argc, char **argv) {
    return run_one(tests, sizeof tests / sizeof *tests, argc, argv);
}

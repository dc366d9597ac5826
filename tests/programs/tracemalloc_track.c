// CPython's own tests of PyTraceMalloc_Track and PyTraceMalloc_Untrack (Lib/test/test_tracemalloc.py: TestCAPI), against tm.h,
// one function a test, with its name. The argument chooses the test; the program starts idle (TM_START=0), as Python does.
#include "tracemalloc_api.h"
#include <pthread.h>
#include <unistd.h>

static const unsigned track_line = __LINE__ + 3;

__attribute__((noinline)) static int track(struct stack *stack) {
    int result = tm_track(DOMAIN, (uintptr_t)slot, SIZE);
    stack->n_frames = 0;
    _Unwind_Backtrace(note_frame, stack);
    return result;
}

// As is_here, of the slot: the call is inlined, so there is one frame more than addresses.
static int is_tracked_here(const struct stack *stack, size_t limit) {
    tm_traceback *traceback = traceback_of(slot);
    if (traceback == NULL || traceback->n_frames != limit + 1 || traceback->domain != DOMAIN)
        return 0;
    EXPECT(strcmp(traceback->frames[limit].function, "tm_track") == 0 && traceback->frames[limit].address == 0);
    tm_traceback without = *traceback;
    without.n_frames--;
    int is_tracked = is_here(&without, stack, limit, track_line);
    tm_traceback_free(traceback);
    return is_tracked;
}

static void test_track(void) {
    struct stack stack;
    tm_stop();
    EXPECT(tm_start(5) == TM_OK);
    uint64_t size = traced();
    EXPECT(track(&stack) == TM_OK);
    EXPECT(is_tracked_here(&stack, 5));
    EXPECT(traced_in_domain() == SIZE && traced() == size + SIZE);
}

// Without the GIL: from a thread that the program has told tm nothing of.
static void *track_on_a_thread(void *stack) {
    return (void *)(intptr_t)track(stack);
}

static void *untrack_on_a_thread(void *unused) {
    (void)unused;
    return (void *)(intptr_t)tm_untrack(DOMAIN, (uintptr_t)slot);
}

static int on_a_thread(void *(*function)(void *), void *argument) {
    pthread_t thread;
    void *result;
    if (pthread_create(&thread, NULL, function, argument) != 0 || pthread_join(thread, &result) != 0)
        abort();
    return (int)(intptr_t)result;
}

static void test_track_without_gil(void) {
    struct stack stack;
    tm_stop();
    EXPECT(tm_start(2) == TM_OK);
    EXPECT(on_a_thread(track_on_a_thread, &stack) == TM_OK);
    EXPECT(is_tracked_here(&stack, 2));
    EXPECT(traced_in_domain() == SIZE);
}

static void test_track_already_tracked(void) {
    struct stack stack;
    tm_stop();
    EXPECT(tm_start(5) == TM_OK);
    EXPECT(tm_track(DOMAIN, (uintptr_t)slot, 2 * SIZE) == TM_OK);
    // The second one takes the first one's place.
    EXPECT(track(&stack) == TM_OK);
    EXPECT(is_tracked_here(&stack, 5));
    EXPECT(traced_in_domain() == SIZE);
}

static void check_untrack(int (*untrack)(void)) {
    struct stack stack;
    EXPECT(track(&stack) == TM_OK);
    EXPECT(is_traced(slot) && traced_in_domain() == SIZE);
    EXPECT(untrack() == TM_OK);
    EXPECT(!is_traced(slot) && traced_in_domain() == 0);
    // Once more is no error.
    EXPECT(untrack() == TM_OK && untrack() == TM_OK);
}

static int untrack_here(void) {
    return tm_untrack(DOMAIN, (uintptr_t)slot);
}

static int untrack_there(void) {
    return on_a_thread(untrack_on_a_thread, NULL);
}

static void test_untrack(void) {
    check_untrack(untrack_here);
}

static void test_untrack_without_gil(void) {
    check_untrack(untrack_there);
}

static void test_stop_track(void) {
    struct stack stack;
    tm_stop();
    EXPECT(track(&stack) == TM_NOT_TRACING);
    tm_traceback *traceback;
    EXPECT(tm_get_object_traceback(slot, &traceback) == TM_NOT_TRACING && traceback == NULL);
}

static void test_stop_untrack(void) {
    struct stack stack;
    EXPECT(track(&stack) == TM_OK);
    tm_stop();
    EXPECT(untrack_here() == TM_NOT_TRACING);
}

// gh-128679: threads track while another one starts and stops.
static volatile int is_over;

static void *track_until_it_is_over(void *unused) {
    struct stack stack;
    while (!is_over) {
        int result = track(&stack);
        EXPECT(result == TM_OK || result == TM_NOT_TRACING);
    }
    return unused;
}

static void test_tracemalloc_track_race(void) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, track_until_it_is_over, NULL) != 0)
            abort();
    for (int i = 0; i < 50; i++) {
        EXPECT(tm_start(5) == TM_OK);
        traced();
        EXPECT(tm_stop() == TM_OK);
    }
    is_over = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

// Untracking after all is over: in the program's last function.
static void untrack_late(void) {
    if (untrack_here() != TM_NOT_TRACING)
        _exit(3);
}

static void test_late_untrack(void) {
    struct stack stack;
    EXPECT(track(&stack) == TM_OK);
    tm_stop();
    atexit(untrack_late);
}

static const struct test tests[] = {
    TEST(test_track),
    TEST(test_track_without_gil),
    TEST(test_track_already_tracked),
    TEST(test_untrack),
    TEST(test_untrack_without_gil),
    TEST(test_stop_track),
    TEST(test_stop_untrack),
    TEST(test_tracemalloc_track_race),
    TEST(test_late_untrack),
};

int main(int argc, char **argv) {
    return run_one(tests, sizeof tests / sizeof *tests, argc, argv);
}

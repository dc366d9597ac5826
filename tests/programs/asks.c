// Questions where they are hardest: by many threads at once, while others allocate, in forked children, and in a child of a
// fork that another thread's question was under way at. The argument chooses.
#define _GNU_SOURCE
#include "tm.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPECT(condition) expect(condition, #condition, __LINE__)

enum { THREADS = 4, SIZE = 1000 };

static _Atomic int n_wrong;
static _Atomic int is_over;

static void expect(int holds, const char *condition, int line) {
    if (!holds) {
        printf("line %d: not so: %s\n", line, condition);
        n_wrong++;
    }
}

static uint64_t traced(void) {
    uint64_t current = 0, peak = 0;
    EXPECT(tm_get_traced_memory(&current, &peak) == TM_OK);
    EXPECT(peak >= current);
    return current;
}

static int is_traced(const void *block, size_t size) {
    tm_traceback *traceback;
    int result = tm_get_object_traceback(block, &traceback);
    int is_right = result == TM_OK && traceback->size == size && traceback->address == (uintptr_t)block;
    EXPECT(is_right || result == TM_NOT_FOUND);
    tm_traceback_free(traceback);
    return is_right;
}

static size_t total(const void *block) {
    tm_total_size_result *result;
    if (tm_total_size(block, NULL, &result) != TM_OK)
        return 0;
    size_t size = result->size;
    tm_total_size_free(result);
    return size;
}

static void start_threads(pthread_t threads[THREADS], void *(*work)(void *)) {
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, NULL) != 0)
            abort();
}

static void join_threads(pthread_t threads[THREADS]) {
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

// ---- Threads that ask at the same time --------------------------------------------------------------------------------

static void *ask_of_own_blocks(void *unused) {
    for (int i = 0; i < 200; i++) {
        void **outer = calloc(1, SIZE), *inner = malloc(SIZE);
        *outer = inner;
        EXPECT(is_traced(outer, SIZE) && is_traced(inner, SIZE));
        EXPECT(total(outer) == 2 * SIZE);
        EXPECT(traced() >= 2 * SIZE);
        uintptr_t gone = (uintptr_t)inner;
        *outer = NULL;
        free(inner);
        // Another thread may have it by now, with the same size.
        (void)is_traced((void *)gone, SIZE);
        EXPECT(total(outer) == SIZE);
        free(outer);
    }
    return unused;
}

static void threads_at_once(void) {
    pthread_t threads[THREADS];
    start_threads(threads, ask_of_own_blocks);
    join_threads(threads);
}

// ---- While others allocate --------------------------------------------------------------------------------------------

enum { KEPT = 100 };

static void *allocate_all_the_time(void *unused) {
    void *blocks[KEPT] = {0};
    for (unsigned i = 0; !is_over; i++) {
        free(blocks[i % KEPT]);
        blocks[i % KEPT] = malloc(SIZE);
        // Threads that do nothing but this make events faster than a question reads them, so each would take longer.
        if (i % KEPT == 0)
            usleep(1000);
    }
    for (int i = 0; i < KEPT; i++)
        free(blocks[i]);
    return unused;
}

// Each of the threads holds KEPT blocks at most.
static void meanwhile(void) {
    pthread_t threads[THREADS];
    void *own = calloc(1, SIZE);
    uint64_t before = traced();
    start_threads(threads, allocate_all_the_time);
    for (int i = 0; i < 300; i++) {
        uint64_t now = traced();
        // The C library's own blocks of a thread are below 4 KiB.
        EXPECT(now >= before && now <= before + THREADS * (KEPT * SIZE + 4096));
        EXPECT(is_traced(own, SIZE) && total(own) == SIZE);
        if (i % 100 == 50)
            EXPECT(tm_dump_snapshot("meanwhile.snap") == TM_OK);
    }
    is_over = 1;
    join_threads(threads);
    free(own);
}

// ---- Forked children --------------------------------------------------------------------------------------------------

// A child that counts on from its parent's blocks, down to so many generations.
static void generation(int depth, void *inherited, uint64_t before) {
    EXPECT(tm_is_tracing());
    EXPECT(traced() == before && is_traced(inherited, SIZE));
    void *own = malloc(SIZE);
    EXPECT(traced() == before + SIZE && is_traced(own, SIZE));
    if (depth > 0) {
        pid_t child = fork();
        if (child == 0) {
            generation(depth - 1, own, before + SIZE);
            fflush(stdout);
            _exit(n_wrong != 0);
        }
        int status = -1;
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
    }
    // What the child has done is not here.
    EXPECT(traced() == before + SIZE);
    free(inherited);
    EXPECT(traced() == before && !is_traced(inherited, SIZE));
}

static void forked_children(void) {
    void *block = malloc(SIZE);
    generation(3, block, traced());
}

// ---- Forks while another thread asks ----------------------------------------------------------------------------------

static void *ask_all_the_time(void *unused) {
    void *block = malloc(SIZE);
    while (!is_over) {
        traced();
        EXPECT(is_traced(block, SIZE));
    }
    free(block);
    return unused;
}

// The child has one thread, which may ask, whatever the others' questions were doing.
static void fork_while_asking(void) {
    pthread_t threads[THREADS];
    void *block = calloc(1, SIZE);
    EXPECT(is_traced(block, SIZE));
    start_threads(threads, ask_all_the_time);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            // A question that waits for a thread that is not there would wait for ever.
            alarm(600);
            uint64_t current;
            int result = tm_get_traced_memory(&current, NULL);
            int is_right = result == TM_OK && current >= SIZE && is_traced(block, SIZE);
            void *own = calloc(1, SIZE);
            is_right &= is_traced(own, SIZE) && total(own) == SIZE;
            _exit(is_right ? 0 : 1);
        }
        int status = -1;
        EXPECT(waitpid(child, &status, 0) == child);
        if (status != 0)
            printf("child %d: status %x\n", i, (unsigned)status);
        EXPECT(status == 0);
    }
    is_over = 1;
    join_threads(threads);
}

// ---- In a signal handler ----------------------------------------------------------------------------------------------

static _Atomic int n_busy, n_answered;
static void *handled;

static void ask_in_handler(int signal) {
    (void)signal;
    uint64_t current;
    int result = tm_get_traced_memory(&current, NULL);
    EXPECT(result == TM_OK || (result == TM_BUSY && current == 0));
    *(result == TM_OK ? &n_answered : &n_busy) += 1;
    EXPECT(tm_take_snapshot("handler") == TM_OK);
    EXPECT(tm_track(7, 64, 10) == TM_OK && tm_untrack(7, 64) == TM_OK);
}

// The program allocates nothing outside of its questions, so a handler interrupts those or nothing.
static void handlers(void) {
    handled = malloc(SIZE);
    traced();
    struct sigaction action = {.sa_handler = ask_in_handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    pid_t self = getpid(), child = fork();
    if (child == 0) {
        for (int i = 0; i < 300; i++) {
            kill(self, SIGUSR1);
            usleep(500);
        }
        _exit(0);
    }
    int status;
    while (waitpid(child, &status, WNOHANG) == 0) {
        EXPECT(traced() >= SIZE);
        EXPECT(is_traced(handled, SIZE));
    }
    EXPECT(n_busy + n_answered > 0);
}

// ---- One of them ------------------------------------------------------------------------------------------------------

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {
        {"threads_at_once", threads_at_once},     {"meanwhile", meanwhile}, {"forked_children", forked_children},
        {"fork_while_asking", fork_while_asking}, {"handlers", handlers},
    };
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (argc > 1 && strcmp(argv[1], parts[i].name) == 0) {
            parts[i].run();
            puts(n_wrong ? "wrong" : "right");
            return n_wrong != 0;
        }
    puts("which part?");
    return 2;
}

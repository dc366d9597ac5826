// Allocations from stacks of all shapes, each noted with the stack as libgcc sees it: `stacks OUTPUT`.
//
// The test builds this with several sets of flags; FP_IS_FREE says that assembly may use the register of frame pointers.
#include "noted.h"

#include <alloca.h>
#include <csetjmp>
#include <cstring>
#include <pthread.h>
#include <stdexcept>
#include <ucontext.h>

#define NOINLINE __attribute__((noinline))

static volatile int two = 2;

NOINLINE static void variable_frames(int n) {
    char *room = (char *)alloca(n * 100);
    memset(room, n, n * 100);
    NOTED("alloca", 16);
    char array[n * 33];
    memset(array, n, sizeof array);
    NOTED("vla", 24);
    if (n > 0)
        CALL(variable_frames(n - 1));
    __asm__ volatile("" : : "r"(room), "r"(array) : "memory");
}

NOINLINE static void over_aligned(int n) {
    alignas(64) char room[256];
    memset(room, n, sizeof room);
    char *more = (char *)alloca(n * 50 + 1);
    *more = 1;
    NOTED("over_aligned", 40);
    if (n > 0)
        CALL(over_aligned(n - 1));
    __asm__ volatile("" : : "r"(room), "r"(more) : "memory");
}

#ifdef FP_IS_FREE
NOINLINE static void frame_pointer_is_a_number(int n) {
#ifdef __x86_64__
    __asm__ volatile("movq $0x1234, %%rbp" ::: "rbp");
#else
    __asm__ volatile("mov x29, 0x1234" ::: "x29");
#endif
    NOTED("frame_pointer_is_a_number", 48);
    if (n > 0)
        CALL(frame_pointer_is_a_number(n - 1));
}
#endif

struct Allocates {
    const char *name;
    NOINLINE ~Allocates() { NOTED(name, 56); }
};

NOINLINE static void throws(int n) {
    Allocates on_the_way = {"destructor_while_unwinding"};
    if (n > 0)
        CALL(throws(n - 1));
    throw std::runtime_error("an exception");
}

NOINLINE static void rethrows() {
    try {
        CALL(throws(two));
    } catch (const std::exception &) {
        NOTED("catch", 64);
        Allocates in_catch = {"destructor_in_catch"};
        throw;
    }
}

NOINLINE static void exceptions() {
    try {
        CALL(rethrows());
    } catch (...) {
        NOTED("catch_of_rethrow", 72);
    }
    NOTED("after_the_catch", 72);
}

static int compare(const void *a, const void *b) {
    static int calls;
    if (calls++ % 3 == 0)
        NOTED("qsort_callback", 80);
    return *(const int *)a - *(const int *)b;
}

NOINLINE static void sorts() {
    int numbers[] = {5, 2, 9, 1, 7, 3, 8};
    CALL(qsort(numbers, sizeof numbers / sizeof *numbers, sizeof *numbers, compare));
}

static int compare_and_throw(const void *a, const void *b) {
    static int calls;
    if (calls++ % 5 == 4) {
        NOTED("qsort_callback_before_its_throw", 84);
        throw std::runtime_error("through a C function");
    }
    return *(const int *)a - *(const int *)b;
}

NOINLINE static void throws_through_qsort() {
    int numbers[] = {5, 2, 9, 1, 7, 3, 8};
    for (int i = 0; i < 3; i++) {
        try {
            CALL(qsort(numbers, sizeof numbers / sizeof *numbers, sizeof *numbers, compare_and_throw));
        } catch (const std::exception &) {
            NOTED("catch_beyond_qsort", 84);
        }
        NOTED("after_the_throw_through_qsort", 84);
    }
}

__attribute__((always_inline)) static inline void inlined_inner(int n) { NOTED("inlined", n); }
__attribute__((always_inline)) static inline void inlined_outer(int n) {
    inlined_inner(n * 2);
    NOTED("inlined_outer", n);
}
NOINLINE static void inlines() { CALL(inlined_outer(88)); }

NOINLINE static void *tail_called_allocation(size_t size) { return malloc(size); }
NOINLINE static void *tail_caller(size_t size) { return tail_called_allocation(size + 1); }
NOINLINE static void calls_a_tail_caller() {
    // At -O2 neither of the two has a frame when malloc is called: the recorded stack begins here.
#ifdef TAIL_CALLS
    NOTED_BLOCK("tail_call", tail_caller(96));
#else
    CALL(free(tail_caller(96)));
#endif
}

NOINLINE static void functions() {
    NOTED_BLOCK("calloc", calloc(3, 35));
    NOTED_BLOCK("realloc_null", realloc(NULL, 104));
    NOTED_BLOCK("realloc", realloc(malloc(10), 104000));
    NOTED_BLOCK("reallocarray", reallocarray(malloc(10), 3, 104000));
    NOTED_BLOCK("aligned_alloc", aligned_alloc(64, 128));
    void *block;
    if (posix_memalign(&block, 128, 256) == 0)
        NOTED_BLOCK("posix_memalign", block);
}

NOINLINE static void operators() {
    // libstdc++'s operator new stands between: the note is compared from the caller on.
    NOTED_BLOCK("operator_new", ::operator new(112));
    NOTED_BLOCK("operator_new", ::operator new[](112));
}

static jmp_buf back;
NOINLINE static void jumps(int n) {
    NOTED("before_longjmp", 120);
    if (n == 0)
        longjmp(back, 1);
    CALL(jumps(n - 1));
}
NOINLINE static void jumps_back() {
    if (setjmp(back) == 0)
        CALL(jumps(5));
    NOTED("after_longjmp", 120);
}

static ucontext_t main_context, other_context;
static char other_stack[64 * 1024] __attribute__((aligned(16)));
NOINLINE static void in_the_other_context() {
    NOTED("other_context", 128);
    CALL(swapcontext(&other_context, &main_context));
    NOTED("other_context_again", 128);
}
static void other_context_starts() { CALL(in_the_other_context()); }
NOINLINE static void switches_contexts() {
    getcontext(&other_context);
    other_context.uc_stack.ss_sp = other_stack;
    other_context.uc_stack.ss_size = sizeof other_stack;
    other_context.uc_link = &main_context;
    makecontext(&other_context, other_context_starts, 0);
    CALL(swapcontext(&main_context, &other_context));
    NOTED("back_from_the_other_context", 136);
    CALL(swapcontext(&main_context, &other_context));
    NOTED("back_from_the_other_context", 136);
}

NOINLINE static void in_a_thread(int n) {
    NOTED("thread", 144);
    if (n > 0)
        CALL(in_a_thread(n - 1));
}
static void *thread_main(void *) {
    CALL(in_a_thread(4));
    CALL(variable_frames(3));
    CALL(exceptions());
    return nullptr;
}
NOINLINE static void threads() {
    pthread_t all[4];
    for (pthread_t &thread : all)
        if (pthread_create(&thread, nullptr, thread_main, nullptr) != 0)
            abort();
    for (pthread_t &thread : all)
        pthread_join(thread, nullptr);
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    start_notes();
    CALL(variable_frames(3));
    CALL(over_aligned(3));
#ifdef FP_IS_FREE
    CALL(frame_pointer_is_a_number(3));
#endif
    CALL(exceptions());
    CALL(sorts());
    CALL(throws_through_qsort());
    CALL(inlines());
    CALL(calls_a_tail_caller());
    CALL(functions());
    CALL(operators());
    CALL(jumps_back());
    CALL(switches_contexts());
    CALL(threads());
    write_notes(argv[1]);
    return 0;
}

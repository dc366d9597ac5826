// Preloaded in front of libtm.so: every so many allocations of a thread it notes the stack as libgcc's unwinder sees it.
//
//   NOTES  the file that gets the notes       EVERY  the first of each EVERY allocations is noted
//
// It counts the successful calls of malloc, calloc and realloc, by thread; those of forked children are not noted. A note is an
// array of 64-bit numbers: thread id, the allocation's number in its thread from 0, the block, how many frames follow, and
// those, innermost first, without its own. It allocates nothing, and its own code is one frame of the stack that libtm.so sees.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

enum { HEAD = 4, FRAMES_MAX = 1 << 16 };

struct state {
    uint64_t n_allocations;
    uint64_t *note;
    int is_inside;
};

static __thread struct state state __attribute__((tls_model("initial-exec")));
static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static int file = -1;
static pid_t process;
static uint64_t every;
/* What dlsym allocates before glibc 2.34, in the middle of resolve. */
static char early[4096] __attribute__((aligned(16)));
static size_t early_used;
static volatile int is_resolving;

static void resolve(void) {
    is_resolving = 1;
    real_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    real_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    real_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    const char *path = getenv("NOTES"), *interval = getenv("EVERY");
    if (!path || !interval)
        abort();
    every = strtoull(interval, NULL, 10);
    file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0 || every == 0)
        abort();
    process = getpid();
    is_resolving = 0;
}

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *data) {
    uint64_t *note = data;
    uint64_t pc = _Unwind_GetIP(context);
    if (pc != 0 && note[3] < FRAMES_MAX)
        note[HEAD + note[3]++] = pc;
    return _URC_NO_REASON;
}

// Debuggers stop here for the two arguments.
__attribute__((noipa)) static void note_by_oracle(uint64_t *note, void *block) {
    note[2] = (uintptr_t)block;
    note[3] = 0;
    _Unwind_Backtrace(note_frame, note);
    // The first three frames are this one, take_note and the function below that called it.
    enum { OWN = 3 };
    for (uint64_t i = OWN; i < note[3]; i++)
        note[HEAD + i - OWN] = note[HEAD + i];
    note[3] -= OWN;
}

__attribute__((noinline)) static void take_note(void *block) {
    uint64_t number = state.n_allocations++;
    if (number % every != 0 || state.is_inside || getpid() != process)
        return;
    state.is_inside = 1;
    size_t bytes = (HEAD + FRAMES_MAX) * sizeof(uint64_t);
    if (!state.note)
        state.note = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (state.note == MAP_FAILED)
        abort();
    uint64_t *note = state.note;
    note[0] = (uint64_t)syscall(SYS_gettid);
    note[1] = number;
    note_by_oracle(note, block);
    size_t used = (HEAD + note[3]) * sizeof(uint64_t);
    if (write(file, note, used) != (ssize_t)used)
        abort();
    state.is_inside = 0;
}

void *malloc(size_t size) {
    if (!real_malloc)
        resolve();
    void *block = real_malloc(size);
    if (block)
        take_note(block);
    return block;
}

void *calloc(size_t count, size_t size) {
    if (!real_calloc && is_resolving) {
        size_t begin = early_used;
        early_used += (count * size + 15) & ~(size_t)15;
        return early_used <= sizeof early ? early + begin : NULL;
    }
    if (!real_calloc)
        resolve();
    void *block = real_calloc(count, size);
    if (block)
        take_note(block);
    return block;
}

void *realloc(void *old, size_t size) {
    if (!real_realloc)
        resolve();
    void *block = real_realloc(old, size);
    if (block)
        take_note(block);
    return block;
}

// Interrupts itself at each instruction that runs of the stubs by which its linker leads calls to other objects (PLT), at first
// calls of functions; allocates in the handler, and notes what is right: the instruction, where the call returns to, as the
// processor had it when the stub was entered, and the stack of the function that called. Linked without -pie, so that the
// addresses are those in the file.
// `interrupted_in_stub NOTES ADDRESS...`, with the addresses of all instructions of the stubs
#define _GNU_SOURCE
#include "noted.h"
#include <dlfcn.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef __aarch64__
typedef uint32_t unit;
enum { TRAP = 0xd4200000 }; // brk 0
#define PC(context) ((context)->uc_mcontext.pc)
#define RETURN_ADDRESS(context) ((context)->uc_mcontext.regs[30])
#else
typedef uint8_t unit;
enum { TRAP = 0xcc }; // int3
#define PC(context) ((context)->uc_mcontext.gregs[REG_RIP])
#define RETURN_ADDRESS(context) (*(uintptr_t *)(context)->uc_mcontext.gregs[REG_RSP])
#endif

enum { PLACES_MAX = 4096 };
static struct place {
    unit *code;
    unit is;
    int has_run;
} places[PLACES_MAX];
static int n_places;
static void *(*allocate)(size_t);
// That of the function that calls, from it outward.
static struct note caller;
static int is_call;

// Puts traps on what has not run yet, or takes them all away.
static void set_traps(int wanted) {
    for (int n = 0; n < n_places; n++)
        *places[n].code = wanted && !places[n].has_run ? (unit)TRAP : places[n].is;
    __builtin___clear_cache((char *)places[0].code, (char *)(places[n_places - 1].code + 1));
}

__attribute__((noinline)) static void *in_the_handler(void) {
    void *block = allocate(24);
    __asm__ volatile("" ::: "memory");
    return block;
}

static void on_trap(int signal, siginfo_t *info, void *data) {
    (void)signal, (void)info;
    ucontext_t *context = data;
    // Nothing is called by a stub while there are traps.
    if (sizeof(unit) == 1)
        PC(context) -= 1;
    uintptr_t pc = (uintptr_t)PC(context);
    set_traps(0);
    struct note *note = &notes[n_notes++];
    *note = (struct note){"stub", NULL, caller.n_frames + 2, all_frames + n_all_frames};
    n_all_frames += note->n_frames;
    // The first frame of a note is left out when it is written.
    note->frames[1] = pc;
    if (is_call)
        caller.frames[0] = (uintptr_t)RETURN_ADDRESS(context);
    is_call = 0;
    memcpy(note->frames + 2, caller.frames, caller.n_frames * sizeof(uintptr_t));
    note->block = in_the_handler();
    for (int n = 0; n < n_places; n++)
        places[n].has_run |= (uintptr_t)places[n].code == pc;
    set_traps(1);
}

__attribute__((noinline)) static void calls(int n) {
    if (n > 0) {
        CALL(calls(n - 1));
        return;
    }
    caller.frames = all_frames + n_all_frames;
    caller.n_frames = 0;
    _Unwind_Backtrace(note_frame, &caller);
    n_all_frames += caller.n_frames;
    set_traps(1);
    is_call = 1;
    CALL(getppid());
    is_call = 1;
    CALL(getpgrp());
    is_call = 0;
    set_traps(0);
}

int main(int argc, char **argv) {
    start_notes();
    allocate = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "malloc");
    for (; n_places < argc - 2 && n_places < PLACES_MAX; n_places++) {
        unit *code = (unit *)strtoul(argv[n_places + 2], NULL, 16);
        places[n_places] = (struct place){code, 0, 0};
    }
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int n = 0; n < n_places; n++) {
        void *start = (void *)((uintptr_t)places[n].code & -page);
        if (mprotect(start, page, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
            return 2;
        places[n].is = *places[n].code;
    }
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, NULL);
    CALL(calls(5));
    write_notes(argv[1]);
    return 0;
}

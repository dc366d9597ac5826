// Notes of allocations with the stack as libgcc's unwinder sees it: what recordings are compared with.
//
// NOTED(name, size) allocates and notes, both in the function where it stands. So the noted stack and the recorded one
// have the same frames but for the innermost return address, which is another one of the same function. Blocks are
// never freed, so that their addresses name them. Notes are kept in memory of their own and written at the end:
//
//   bias ADDRESS
//   note NAME BLOCK FRAMES...        frames innermost first, from the function that allocated
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unwind.h>

struct note {
    const char *name;
    void *block;
    size_t n_frames;
    uintptr_t *frames;
};

enum { NOTES_MAX = 4096, FRAMES_MAX = 8 << 20 };
static struct note notes[NOTES_MAX];
static size_t n_notes;
static uintptr_t *all_frames;
static size_t n_all_frames;
// A note is taken by one thread at a time; a handler's waits for nobody, it is never taken during another note.
static int notes_lock;

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *data) {
    struct note *note = (struct note *)data;
    uintptr_t pc = _Unwind_GetIP(context);
    // libgcc calls once more beyond the outermost frame.
    if (pc != 0 && n_all_frames < FRAMES_MAX)
        note->frames[note->n_frames++] = pc;
    return _URC_NO_REASON;
}

// noipa: debuggers stop here for the two arguments.
__attribute__((noinline, noipa, unused)) static void take_note(const char *name, void *block) {
    while (__atomic_exchange_n(&notes_lock, 1, __ATOMIC_ACQUIRE))
        ;
    if (n_notes < NOTES_MAX) {
        struct note *note = &notes[n_notes++];
        note->name = name;
        note->block = block;
        note->frames = all_frames + n_all_frames;
        _Unwind_Backtrace(note_frame, note);
        n_all_frames += note->n_frames;
    }
    __atomic_store_n(&notes_lock, 0, __ATOMIC_RELEASE);
}

// The empty assembly keeps the call from being the function's last act, which would take its frame away.
#define NOTED_BLOCK(name, expression)                                                                                  \
    do {                                                                                                               \
        void *noted_block_ = (void *)(expression);                                                                     \
        take_note(name, noted_block_);                                                                                 \
        __asm__ volatile("" ::: "memory");                                                                             \
    } while (0)
#define NOTED(name, size) NOTED_BLOCK(name, malloc(size))
// A call that is not the last act of its function.
#define CALL(expression)                                                                                               \
    do {                                                                                                               \
        expression;                                                                                                    \
        __asm__ volatile("" ::: "memory");                                                                             \
    } while (0)

static int note_bias(struct dl_phdr_info *info, size_t size, void *bias) {
    (void)size;
    *(uintptr_t *)bias = info->dlpi_addr;
    return 1;
}

static void start_notes(void) {
    void *room = mmap(NULL, FRAMES_MAX * sizeof(uintptr_t), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        abort();
    all_frames = (uintptr_t *)room;
}

static void write_notes(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file)
        abort();
    uintptr_t bias = 0;
    dl_iterate_phdr(note_bias, &bias);
    fprintf(file, "bias %lx\n", (unsigned long)bias);
    for (size_t i = 0; i < n_notes; i++) {
        fprintf(file, "note %s %lx", notes[i].name, (unsigned long)(uintptr_t)notes[i].block);
        // The first frame is take_note's own.
        for (size_t k = 1; k < notes[i].n_frames; k++)
            fprintf(file, " %lx", (unsigned long)notes[i].frames[k]);
        fprintf(file, "\n");
    }
    if (fclose(file) != 0)
        abort();
}

/*
 * tm.h: what a program may ask of the heap profiler tm while it runs. CPython's tracemalloc, for C and C++.
 *
 * One header, no library to link with. Where libtm.so is loaded (LD_PRELOAD=libtm.so ./prog, or linked with -ltm) the
 * calls work; where it is not, each does nothing and returns TM_NOT_LOADED (or 0 where it returns a number that is not
 * a result), so a program may keep them for good.
 *
 *     tm_start(25);                                   // or run it under libtm.so, which records from the start
 *     ...
 *     uint64_t current, peak;
 *     if (tm_get_traced_memory(&current, &peak) == TM_OK)
 *         printf("%llu bytes now, %llu at most\n", (unsigned long long)current, (unsigned long long)peak);
 *
 * Results: TM_OK (0) or more is success, a negative value one of enum tm_result. No call changes errno, throws, or makes
 * the program's own allocation fail.
 * Threads: every call may be made from any thread at any time, unless it says otherwise. Commands are for all of them.
 * Signal handlers: calls marked [signal-safe] may be made in them. The others load a library on their first use, take a
 * lock and allocate; the thread's signals and its cancellation wait meanwhile. Made while a call of the same thread is
 * interrupted or under way (from a callback) they return TM_BUSY. Callbacks must come back: no exception, no jump, no exit
 * of the thread, and not in a process that they have forked.
 * Sizes are the bytes that were asked for, as in tracemalloc, never what the allocator made of them.
 * Three kinds of cost. track, untrack and tag take some tens of ns, take_snapshot about 100; start, stop and clear wait
 * for each other (0.1 s at most, then TM_BUSY) and make two system calls. Questions (traced memory, object traceback,
 * total size, dump) are answered from the recording by libtm_query.so, which must stand beside libtm.so: the first one
 * reads all that was recorded so far, later ones only what was recorded since. What a question allocates is not recorded.
 */
#ifndef TM_H
#define TM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What calls return. */
enum tm_result {
    TM_OK = 0,
    TM_NO_MEMORY = -1,   /* tm has no memory left, or the recording cannot grow (PyTraceMalloc_Track returns -1 too) */
    TM_NOT_TRACING = -2, /* nothing is recorded now (PyTraceMalloc_Track returns -2 too) */
    TM_NOT_LOADED = -3,  /* libtm.so is not in this process */
    TM_INVALID = -4,     /* an argument is out of its range */
    TM_NOT_FOUND = -5,   /* there is no such traced block */
    TM_BUSY = -6,        /* called from a callback of tm, while a call of this thread is interrupted, or (start, stop,
                            clear) while another thread's command does not come to an end */
    TM_FAILED = -7       /* the question could not be answered; one line on stderr says why, the first time */
};

/* The domain of malloc and its relatives, operator new among them. */
#define TM_DOMAIN_HEAP 0u
/* The domain of mmap, mremap and brk: "mmap" as a number. Kept apart: it is not part of the traced memory, because the
   heap lies in it. It cannot be tracked by hand. */
#define TM_DOMAIN_MMAP 0x6d6d6170u
/* The domain of the blocks of CPython's own allocators: "pyob" as a number. */
#define TM_DOMAIN_PYTHON 0x70796f62u
/* The most frames that are kept of a stack. */
#define TM_NFRAME_MAX 16384u
/* The longest name of a mark, tag or domain, in bytes; what is longer is cut. */
#define TM_NAME_MAX 255u

/* A code location of a stack. Strings live until the function that was given them returns, or as it says. */
typedef struct tm_frame {
    const char *filename; /* the source file; without line information "module+0xoffset" */
    unsigned lineno;      /* 0 if there is none */
    const char *function; /* NULL if unknown */
    uintptr_t address;    /* the return address; 0 for frames of inlined functions */
} tm_frame;

/* Where a block was allocated. Owned by the caller: give it back by tm_traceback_free. */
typedef struct tm_traceback {
    const tm_frame *frames; /* oldest first, as in tracemalloc: the last one is the most recent */
    size_t n_frames;
    size_t total_nframe; /* how many frames the stack had before it was cut to the limit; 0 if that is not known */
    uintptr_t address;   /* the block's start */
    size_t size;         /* the bytes that were asked for */
    unsigned domain;
} tm_traceback;

/* A block that tm_total_size has reached. */
typedef struct tm_block {
    uintptr_t address; /* its start */
    size_t size;       /* the bytes that were asked for */
    unsigned domain;
    unsigned depth;       /* 0 for the block that holds the pointer asked for, 1 for those that it points to, ... */
    const char *location; /* "file:line" that allocated it, blamed outside of the allocation plumbing */
} tm_block;

/* What a handler of tm_total_size wants done with a block. */
enum tm_follow {
    TM_FOLLOW = 0, /* count it, and follow every word of it that points into a traced block */
    TM_STOP = 1,   /* count it, but follow only what the handler has named by tm_follow */
    TM_SKIP = 2    /* do not count it, nor follow it */
};

/* Opaque: what a handler passes on to tm_follow. */
typedef struct tm_walk tm_walk;

/* How tm_total_size walks. Set all to 0 (`= {0}`), then what is wanted. */
typedef struct tm_total_size_options {
    size_t depth_max;  /* blocks further away are not reached; 0: no limit, SIZE_MAX is none either */
    size_t blocks_max; /* stop after so many blocks; 0: no limit */
    /* Called once for each block that is reached; NULL: TM_FOLLOW for all. Returns an enum tm_follow. The block is valid
       during the call. */
    int (*handler)(void *context, const tm_block *block, tm_walk *walk);
    /* Verbose: called once for each block that is counted, in the order in which they are reached; NULL: not. */
    void (*visit)(void *context, const tm_block *block);
    void *context; /* passed to both */
    int verbose;   /* not 0: a line on stderr for each counted block, as the recipe's verbose=True has */
} tm_total_size_options;

/* Bytes and blocks of one depth, or of one line. */
typedef struct tm_size_group {
    size_t depth;         /* in by_depth */
    const char *location; /* "file:line", in by_line; NULL in by_depth */
    size_t size;
    size_t count;
} tm_size_group;

/* What tm_total_size found. Owned by the caller: give it back by tm_total_size_free. */
typedef struct tm_total_size_result {
    size_t size;  /* bytes of all counted blocks, each once */
    size_t count; /* how many they are */
    const tm_size_group *by_depth; /* ascending */
    size_t n_depths;
    const tm_size_group *by_line; /* the largest first */
    size_t n_lines;
    int is_cut; /* not 0 if depth_max or blocks_max left blocks out */
} tm_total_size_result;

/* What tm_get_python_traces of tm_python.h finds. */
typedef struct tm_python_traces tm_python_traces;

/* A tag that is in force for the calling thread. */
typedef struct tm_tag_scope {
    uint32_t outer; /* the tag before it */
} tm_tag_scope;

/* The functions of libtm.so in the order of this header; do not call through it, but by the functions below. */
struct tm_api {
    size_t size; /* of this structure in the libtm.so that is loaded: later ones have more functions at the end */
    int (*start)(unsigned nframe);
    int (*stop)(void);
    int (*is_tracing)(void);
    unsigned (*get_traceback_limit)(void);
    int (*clear_traces)(void);
    int (*get_traced_memory)(uint64_t *current, uint64_t *peak);
    int (*reset_peak)(void);
    size_t (*get_tracemalloc_memory)(void);
    int (*take_snapshot)(const char *name);
    int (*dump_snapshot)(const char *path);
    int (*get_object_traceback)(const void *ptr, tm_traceback **traceback);
    int (*traceback_format)(const tm_traceback *traceback, int limit, int most_recent_first, char *buffer, size_t size);
    void (*traceback_free)(tm_traceback *traceback);
    int (*track)(unsigned domain, uintptr_t ptr, size_t size);
    int (*untrack)(unsigned domain, uintptr_t ptr);
    int (*name_domain)(unsigned domain, const char *name);
    int (*get_domain_memory)(unsigned domain, uint64_t *current, uint64_t *peak);
    int (*total_size)(const void *ptr, const tm_total_size_options *options, tm_total_size_result **result);
    int (*follow)(tm_walk *walk, const void *ptr);
    void (*total_size_free)(tm_total_size_result *result);
    uint32_t (*tag)(const char *name);
    uint32_t (*restore_tag)(uint32_t tag);
    int (*python_objects)(int on);
    int (*python_hide)(int hide);
    int (*get_python_traces)(const void *ptr, unsigned nframe, tm_python_traces **traces);
    void (*python_traces_free)(tm_python_traces *traces);
    int (*start_sampled)(unsigned nframe, uint64_t mean_bytes);
};

/* NULL without libtm.so. The symbol is weak, and looked up through the global offset table in position-dependent
   programs too, where a plain weak reference would be 0 for ever. */
extern const struct tm_api tm_api __attribute__((weak));

static inline const struct tm_api *tm_loaded_api(void) {
    const struct tm_api *api;
#if defined(__x86_64__)
    __asm__(".weak tm_api\n\tmovq tm_api@GOTPCREL(%%rip), %0" : "=r"(api));
#elif defined(__aarch64__)
    __asm__(".weak tm_api\n\tadrp %0, :got:tm_api\n\tldr %0, [%0, :got_lo12:tm_api]" : "=r"(api));
#else
    api = &tm_api;
#endif
    return api;
}

#define TM_HAS_(api, function) \
    ((api) != NULL && offsetof(struct tm_api, function) + sizeof((api)->function) <= (api)->size)
#define TM_CALL_(function, arguments, otherwise) \
    (TM_HAS_(tm_loaded_api(), function) ? tm_loaded_api()->function arguments : (otherwise))
/* Calls made from an inlined wrapper: the frame that is recorded is the caller's, at -O0 too. */
#define TM_INLINE_ static inline __attribute__((always_inline, unused))

/* ---- Recording --------------------------------------------------------------------------------------------------- */

/* Begins to record events, with at most nframe (1 to TM_NFRAME_MAX) frames of each stack; with 1 no stack is walked.
   While tracing it does nothing, and nframe stays as it was. Blocks from before are unknown: their frees are ignored, and
   a realloc of one starts tracking it. Programs under libtm.so are traced from their start unless TM_START=0.
   Returns TM_OK, TM_INVALID, or TM_FAILED if the process has no recording (TM_DISABLE=1, or it could not be made).
   [signal-safe] Source: tracemalloc.start. */
TM_INLINE_ int tm_start(unsigned nframe) { return TM_CALL_(start, (nframe), TM_NOT_LOADED); }

/* Begins as tm_start does, with samples: one in so many bytes on average (to a power of two, at most 1 TiB; 0: every event), and exact
   totals; at another rate anew, as after tm_stop. tm.h then answers of samples alone. [signal-safe] */
TM_INLINE_ int tm_start_sampled(unsigned nframe, uint64_t mean) { return TM_CALL_(start_sampled, (nframe, mean), TM_NOT_LOADED); }

/* Ends recording, and forgets what lives: traced memory and peak are 0 until the next start. Does nothing if it is not
   tracing. The recording keeps what came before. [signal-safe] Source: tracemalloc.stop. */
TM_INLINE_ int tm_stop(void) { return TM_CALL_(stop, (), TM_NOT_LOADED); }

/* 1 while events are recorded, 0 if not (without libtm.so too). [signal-safe] Source: tracemalloc.is_tracing. */
TM_INLINE_ int tm_is_tracing(void) { return TM_CALL_(is_tracing, (), 0); }

/* How many frames of a stack are kept, or were when it was tracing; 0 without libtm.so. [signal-safe] Source:
   tracemalloc.get_traceback_limit, which does not fail while it is not tracing either. */
TM_INLINE_ unsigned tm_get_traceback_limit(void) { return TM_CALL_(get_traceback_limit, (), 0); }

/* Forgets what lives, and goes on recording: traced memory and peak become 0. Returns TM_OK, while it is not tracing
   too. [signal-safe] Source: tracemalloc.clear_traces. */
TM_INLINE_ int tm_clear_traces(void) { return TM_CALL_(clear_traces, (), TM_NOT_LOADED); }

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

/* The bytes of all live traced blocks, in all domains but TM_DOMAIN_MMAP, and the most that they were since the start, the
   latest clearing or tm_reset_peak. Exact for everything that had happened when the call was made, in this thread and in
   others as far as the program knows of it. Either pointer may be NULL. Both are 0 while it is not tracing.
   Returns TM_OK, TM_BUSY or TM_FAILED (then both are 0). Source: tracemalloc.get_traced_memory. */
TM_INLINE_ int tm_get_traced_memory(uint64_t *current, uint64_t *peak) {
    const struct tm_api *api = tm_loaded_api();
    if (TM_HAS_(api, get_traced_memory))
        return api->get_traced_memory(current, peak);
    if (current != NULL)
        *current = 0;
    if (peak != NULL)
        *peak = 0;
    return TM_NOT_LOADED;
}

/* The same of one domain, TM_DOMAIN_MMAP too. The peak is that of TM_DOMAIN_MMAP for that domain; for all others it is
   what the domain had when the traced memory was at its peak. */
TM_INLINE_ int tm_get_domain_memory(unsigned domain, uint64_t *current, uint64_t *peak) {
    const struct tm_api *api = tm_loaded_api();
    if (TM_HAS_(api, get_domain_memory))
        return api->get_domain_memory(domain, current, peak);
    if (current != NULL)
        *current = 0;
    if (peak != NULL)
        *peak = 0;
    return TM_NOT_LOADED;
}

/* Makes the peak what is live now. Snapshots are not changed by it, nor are tmtool's reports. Returns as
   tm_get_traced_memory. Source: tracemalloc.reset_peak. */
TM_INLINE_ int tm_reset_peak(void) { return TM_CALL_(reset_peak, (), TM_NOT_LOADED); }

/* Bytes that tm itself has in this process: the address space of its tables, of which only touched pages are memory, the
   part of the recording that is mapped, and what questions have allocated. 0 without libtm.so. Source: tracemalloc.get_tracemalloc_memory. */
TM_INLINE_ size_t tm_get_tracemalloc_memory(void) { return TM_CALL_(get_tracemalloc_memory, (), 0); }

/* ---- Snapshots --------------------------------------------------------------------------------------------------- */

/* Marks this moment in the recording: `tmtool stats FILE --at mark:NAME` shows what was live, `tmtool diff FILE@mark:A
   FILE@mark:B` what grew between two. Of several marks of one name the first is meant. Takes about 100 ns, half
   of them for the pages by which the recording grows: a mark is 48 bytes and its name.
   Returns TM_OK, TM_NOT_TRACING, TM_INVALID (no name) or TM_NO_MEMORY. [signal-safe] Source: tracemalloc.take_snapshot. */
TM_INLINE_ int tm_take_snapshot(const char *name) { return TM_CALL_(take_snapshot, (name), TM_NOT_LOADED); }

/* Writes what is live now, with all names, to the file `path`: a .snap file as `tmtool filter` writes, for `tmtool
   stats` and `tmtool diff` on any machine. Takes long: the program's debug information is read.
   Returns TM_OK, TM_NOT_TRACING, TM_BUSY or TM_FAILED. Source: Snapshot.dump. */
TM_INLINE_ int tm_dump_snapshot(const char *path) { return TM_CALL_(dump_snapshot, (path), TM_NOT_LOADED); }

/* ---- Tracebacks -------------------------------------------------------------------------------------------------- */

/* Where the traced block that holds `ptr` was allocated; `ptr` may point into its middle. Blocks of malloc are looked for
   first, then those of other domains, mappings last. Inlined functions are frames of their own, and the allocation
   plumbing is not left out.
   Returns TM_OK and a traceback; else *traceback is NULL: TM_NOT_FOUND, TM_NOT_TRACING, TM_BUSY, TM_FAILED or
   TM_NO_MEMORY. Source: tracemalloc.get_object_traceback. */
TM_INLINE_ int tm_get_object_traceback(const void *ptr, tm_traceback **traceback) {
    const struct tm_api *api = tm_loaded_api();
    if (TM_HAS_(api, get_object_traceback))
        return api->get_object_traceback(ptr, traceback);
    if (traceback != NULL)
        *traceback = NULL;
    return TM_NOT_LOADED;
}

/* Writes the lines of tracemalloc's Traceback.format, each ended by a line end, into `buffer` of `size` bytes, cut and
   ended by a NUL as by snprintf: `  File "NAME", line N` and, if the source can be read, `    SOURCE`. limit > 0: the most
   recent frames; < 0: the oldest; TM_FORMAT_ALL: all. Returns the bytes of the whole text, without the NUL. */
#define TM_FORMAT_ALL INT32_MAX
TM_INLINE_ int tm_traceback_format(const tm_traceback *traceback, int limit, int most_recent_first, char *buffer,
                                   size_t size) {
    const struct tm_api *api = tm_loaded_api();
    if (TM_HAS_(api, traceback_format))
        return api->traceback_format(traceback, limit, most_recent_first, buffer, size);
    if (size > 0)
        *buffer = '\0';
    return TM_NOT_LOADED;
}

/* Gives a traceback back; NULL is none. */
TM_INLINE_ void tm_traceback_free(tm_traceback *traceback) {
    const struct tm_api *api = tm_loaded_api();
    if (TM_HAS_(api, traceback_free))
        api->traceback_free(traceback);
}

/* ---- Other memory ------------------------------------------------------------------------------------------------ */

/* Tells of a block that tm does not see: of a pool, an arena, another address space. `ptr` is its address there, or any
   number but 0 that names it. If it is tracked already, the new size and caller count. A domain is any number; a process
   and its children have room for 250 different ones together. To track blocks in TM_DOMAIN_HEAP that malloc made counts
   them in place of those.
   Returns TM_OK, TM_NOT_TRACING, TM_NO_MEMORY or TM_INVALID (ptr 0, size of 2^48 or more, TM_DOMAIN_MMAP).
   [signal-safe] Source: PyTraceMalloc_Track. */
TM_INLINE_ int tm_track(unsigned domain, uintptr_t ptr, size_t size) {
    return TM_CALL_(track, (domain, ptr, size), TM_NOT_LOADED);
}

/* Tells that such a block is gone. One that was not tracked is no error. Returns TM_OK, TM_NOT_TRACING, TM_NO_MEMORY or
   TM_INVALID (TM_DOMAIN_MMAP). [signal-safe] Source: PyTraceMalloc_Untrack. */
TM_INLINE_ int tm_untrack(unsigned domain, uintptr_t ptr) { return TM_CALL_(untrack, (domain, ptr), TM_NOT_LOADED); }

/* Gives a domain a name, for reports and `tmtool --domain NAME`. May be called before or after it is used.
   Returns TM_OK, TM_NO_MEMORY, TM_INVALID or TM_FAILED (no recording). */
TM_INLINE_ int tm_name_domain(unsigned domain, const char *name) {
    return TM_CALL_(name_domain, (domain, name), TM_NOT_LOADED);
}

/* ---- Size of data structures ------------------------------------------------------------------------------------- */

/* The bytes of the traced block that holds `ptr` and of every traced block that can be reached from it, each counted
   once: the recipe that the documentation of Python's sys.getsizeof names, for native memory. Every word of a block that
   lies at a multiple of 8 and points into a traced block of malloc or of a tracked domain, its middle included, is taken
   for a pointer (as conservative garbage collectors do), so a number that looks like one can reach too much, and a pointer
   that is stored compressed or tagged reaches nothing: handlers mend both. Blocks of tracked domains are counted, and
   scanned where they can be read. Of several blocks that hold a pointer (a pool, and its part) the smallest is meant.
   `options` may be NULL. Other threads should not change the structure meanwhile; a block that goes away is passed over.
   Returns TM_OK and a result; else *result is NULL: TM_NOT_FOUND (ptr is in no traced block), TM_NOT_TRACING, TM_BUSY,
   TM_FAILED or TM_NO_MEMORY. */
TM_INLINE_ int tm_total_size(const void *ptr, const tm_total_size_options *options, tm_total_size_result **result) {
    const struct tm_api *api = tm_loaded_api();
    if (TM_HAS_(api, total_size))
        return api->total_size(ptr, options, result);
    if (result != NULL)
        *result = NULL;
    return TM_NOT_LOADED;
}

/* From a handler: the block points into the one that holds `ptr`, at which no word of it may say so. Returns TM_OK, or
   TM_NOT_FOUND if `ptr` is in no traced block. */
TM_INLINE_ int tm_follow(tm_walk *walk, const void *ptr) { return TM_CALL_(follow, (walk, ptr), TM_NOT_LOADED); }

/* Gives a result back; NULL is none. */
TM_INLINE_ void tm_total_size_free(tm_total_size_result *result) {
    const struct tm_api *api = tm_loaded_api();
    if (TM_HAS_(api, total_size_free))
        api->total_size_free(result);
}

/* ---- Tags -------------------------------------------------------------------------------------------------------- */

/* From here on the calling thread's events carry the tag `name` (a request, a phase, a tenant), until tm_tag_end with
   what this returned; NULL: none. `tmtool stats --key tag` groups by it, `--tag NAME` selects it.
       tm_tag_scope scope = tm_tag("request");
       ...
       tm_tag_end(scope);
   [signal-safe], if the handler ends what it begins. */
TM_INLINE_ tm_tag_scope tm_tag(const char *name) {
    const struct tm_api *api = tm_loaded_api();
    tm_tag_scope scope = {TM_HAS_(api, tag) ? api->tag(name) : 0};
    return scope;
}

/* Puts the tag back that was in force before. */
TM_INLINE_ void tm_tag_end(tm_tag_scope scope) {
    const struct tm_api *api = tm_loaded_api();
    if (TM_HAS_(api, restore_tag))
        (void)api->restore_tag(scope.outer);
}

#ifdef __cplusplus
} /* extern "C" */

/* A tag for the rest of a block: `tm_tag_guard tag("request");`. Not in a namespace: tm's would be <time.h>'s struct. */
class tm_tag_guard {
  public:
    explicit tm_tag_guard(const char *name) : scope_(tm_tag(name)) {}
    ~tm_tag_guard() { tm_tag_end(scope_); }
    tm_tag_guard(const tm_tag_guard &) = delete;
    tm_tag_guard &operator=(const tm_tag_guard &) = delete;

  private:
    tm_tag_scope scope_;
};
#endif

#endif

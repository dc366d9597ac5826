/*
 * tm_python.h: what a program with a Python interpreter inside may ask of tm beyond tm.h: that the blocks of CPython's own
 * allocators are recorded, and what lives, by Python frames. The package tmheap is made of it. What tm.h says of results and threads holds here too.
 */
#ifndef TM_PYTHON_H
#define TM_PYTHON_H

#include "tm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A place in Python code. */
typedef struct tm_python_frame {
    uint32_t filename; /* as Python names the file: a place in texts */
    uint32_t function; /* the qualified name, likewise; "" if unknown */
    uint32_t lineno;   /* 0 if there is none */
} tm_python_frame;

/* A stack of Python frames. */
typedef struct tm_python_traceback {
    uint32_t first_frame;  /* the most recent one, a place in frames; its callers follow */
    uint32_t n_frames;     /* 0: no Python code ran */
    uint32_t total_nframe; /* how many there were before the stack was cut to the limit */
} tm_python_traceback;

/* A live block. */
typedef struct tm_python_trace {
    uint64_t size; /* the bytes that were asked for */
    uint32_t domain;
    uint32_t traceback; /* a place in tracebacks */
} tm_python_trace;

/* What tm_get_python_traces found. Owned by the caller: give it back by tm_python_traces_free. */
struct tm_python_traces {
    const tm_python_trace *traces;
    size_t n_traces;
    const tm_python_traceback *tracebacks; /* each once, as it shows */
    size_t n_tracebacks;
    const tm_python_frame *frames;
    size_t n_frames;
    const char *const *texts; /* each once; bytes of file names as the system has them */
    size_t n_texts;
};

/* Begins (on is not 0) or ends to record the blocks of CPython's own allocators, each once, as tracemalloc does; the end
   forgets all. Only with the interpreter's lock held; of two who wrap the allocators the one who began last ends first.
   Returns TM_OK, TM_NOT_FOUND (no CPython), or as tm_start. */
TM_INLINE_ int tm_python_objects(int on) { return TM_CALL_(python_objects, (on), TM_NOT_LOADED); }

/* From here on (hide is not 0) the blocks that CPython's allocators hand out to the calling thread are not recorded, or they are
   again; that blocks end is recorded all the time. For a tool that shows what the program has, and has objects itself meanwhile.
   Returns whether it was so before; 0 without libtm.so. [signal-safe] Source: the reentrant calls of _tracemalloc.c. */
TM_INLINE_ int tm_python_hide(int hide) { return TM_CALL_(python_hide, (hide), 0); }

/* All live blocks but those of TM_DOMAIN_MMAP, each with the Python frames of the thread that had it allocated, at most nframe
   (1 or more) of them: what the module _tracemalloc has in its tables. Of native frames nothing is said, so no debug information
   is read. With a `ptr` that is not NULL the block of TM_DOMAIN_PYTHON alone that holds it.
   Returns TM_OK and the traces; else *traces is NULL: TM_NOT_FOUND (ptr is in no such block), TM_NOT_TRACING, TM_INVALID,
   TM_BUSY, TM_FAILED or TM_NO_MEMORY. Source: tracemalloc._get_traces. */
TM_INLINE_ int tm_get_python_traces(const void *ptr, unsigned nframe, tm_python_traces **traces) {
    const struct tm_api *api = tm_loaded_api();
    if (TM_HAS_(api, get_python_traces))
        return api->get_python_traces(ptr, nframe, traces);
    if (traces != NULL)
        *traces = NULL;
    return TM_NOT_LOADED;
}

/* Gives traces back; NULL is none. */
TM_INLINE_ void tm_python_traces_free(tm_python_traces *traces) {
    const struct tm_api *api = tm_loaded_api();
    if (TM_HAS_(api, python_traces_free))
        api->python_traces_free(traces);
}

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif

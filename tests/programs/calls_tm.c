// Every call of tm.h, in C and in C++: whether tm is there is printed, and what each call has said is checked.
#include "tm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The result with tm, and that without.
#define CHECK(expression, with, without) check(#expression, (long long)(expression), tm_loaded_api() ? with : without)

static int n_wrong;

static void check(const char *what, long long result, long long expected) {
    if (result != expected) {
        printf("%s: %lld, not %lld\n", what, result, expected);
        n_wrong++;
    }
}

static int handle(void *context, const tm_block *block, tm_walk *walk) {
    CHECK(tm_follow(walk, context), TM_OK, TM_OK);
    return block->depth == 0 ? TM_FOLLOW : TM_STOP;
}

static void visit(void *context, const tm_block *block) {
    CHECK(block->address == (uintptr_t)context, 1, 1);
}

static void commands(void) {
    CHECK(tm_start(25), TM_OK, TM_NOT_LOADED);
    CHECK(tm_is_tracing(), 1, 0);
    CHECK(tm_get_traceback_limit() > 0, 1, 0);
    CHECK(tm_take_snapshot("mark"), TM_OK, TM_NOT_LOADED);
    CHECK(tm_name_domain(7, "pool"), TM_OK, TM_NOT_LOADED);
    CHECK(tm_track(7, 16, 100), TM_OK, TM_NOT_LOADED);
    CHECK(tm_untrack(7, 16), TM_OK, TM_NOT_LOADED);
    CHECK(tm_get_tracemalloc_memory() > 0, 1, 0);
    tm_tag_scope scope = tm_tag("request");
    tm_tag_end(scope);
#ifdef __cplusplus
    tm_tag_guard tag("guarded");
#endif
}

static void questions(void *block, const char *snapshot) {
    uint64_t current = 7, peak = 7;
    CHECK(tm_get_traced_memory(&current, &peak), TM_OK, TM_NOT_LOADED);
    CHECK(current >= 100 && peak >= current, 1, 0);
    CHECK(tm_get_domain_memory(TM_DOMAIN_HEAP, &current, &peak), TM_OK, TM_NOT_LOADED);
    CHECK(current >= 100 && peak >= current, 1, 0);
    CHECK(tm_reset_peak(), TM_OK, TM_NOT_LOADED);
    tm_traceback *traceback;
    CHECK(tm_get_object_traceback(block, &traceback), TM_OK, TM_NOT_LOADED);
    CHECK(traceback != NULL, 1, 0);
    char text[1000] = "text";
    int length = tm_traceback_format(traceback, TM_FORMAT_ALL, 0, text, sizeof text);
    CHECK(length == (int)strlen(text), 1, 0);
    CHECK(length, length, TM_NOT_LOADED);
    tm_traceback_free(traceback);
    tm_total_size_options options;
    memset(&options, 0, sizeof options);
    options.handler = handle;
    options.visit = visit;
    options.context = block;
    tm_total_size_result *result;
    CHECK(tm_total_size(block, &options, &result), TM_OK, TM_NOT_LOADED);
    CHECK(result != NULL && result->size == 100, 1, 0);
    tm_total_size_free(result);
    CHECK(tm_dump_snapshot(snapshot), TM_OK, TM_NOT_LOADED);
}

int main(int argc, char **argv) {
    commands();
    char *block = (char *)calloc(100, 1);
    // With an argument: the questions too, whose answers may be dumped there.
    if (argc > 1)
        questions(block, argv[1]);
    free(block);
    CHECK(tm_clear_traces(), TM_OK, TM_NOT_LOADED);
    CHECK(tm_stop(), TM_OK, TM_NOT_LOADED);
    CHECK(tm_is_tracing(), 0, 0);
    puts(tm_loaded_api() ? "tm is loaded" : "tm is not loaded");
    return n_wrong != 0;
}

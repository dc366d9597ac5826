// A server that finds its own leak. It forgets to close every tenth session; between two rounds of requests it sees that
// its memory has grown, and asks tm which line holds what a session of an earlier round still keeps.
//
// Without libtm.so it does the same work, and says that it cannot know. With an argument it dumps a snapshot there.
#include "tm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 3, REQUESTS = 1000 };

struct session {
    int round;
    char *buffer;
    struct session *next; // of all open ones
};

static struct session *open_sessions;

static char *new_buffer(int request) {
    char *buffer = malloc(4000); // LEAK
    if (buffer)
        memset(buffer, request, 4000);
    return buffer;
}

static struct session *open_session(int round, int request) {
    struct session *session = malloc(sizeof *session);
    if (!session)
        abort();
    session->round = round;
    session->buffer = new_buffer(request);
    session->next = open_sessions;
    open_sessions = session;
    return session;
}

static void close_session(struct session *session) {
    struct session **place = &open_sessions;
    while (*place != session)
        place = &(*place)->next;
    *place = session->next;
    free(session->buffer);
    free(session);
}

static void serve(int round) {
    tm_tag_scope scope = tm_tag("request");
    for (int request = 1; request <= REQUESTS; request++) {
        struct session *session = open_session(round, request);
        if (request % 10 != 0)
            close_session(session);
    }
    tm_tag_end(scope);
}

// Who allocated what a session of an earlier round holds?
static void explain(const struct session *session) {
    tm_traceback *traceback;
    if (tm_get_object_traceback(session->buffer, &traceback) != TM_OK)
        return;
    char text[4096];
    tm_traceback_format(traceback, 3, 0, text, sizeof text);
    printf("a session of round %d still has %zu bytes, allocated here:\n%s", session->round, traceback->size, text);
    const tm_frame *latest = &traceback->frames[traceback->n_frames - 1];
    printf("leak: %s:%u\n", latest->filename, latest->lineno);
    tm_traceback_free(traceback);
    tm_total_size_result *all;
    if (tm_total_size(open_sessions, NULL, &all) != TM_OK)
        return;
    printf("all open sessions: %zu bytes in %zu blocks\n", all->size, all->count);
    tm_total_size_free(all);
}

int main(int argc, char **argv) {
    // So that printf's own buffer is not taken for growth.
    puts("serving");
    uint64_t before = 0, now = 0;
    int is_known = tm_get_traced_memory(&before, NULL) == TM_OK;
    for (int round = 1; round <= ROUNDS; round++) {
        char mark[32];
        snprintf(mark, sizeof mark, "round %d", round);
        tm_take_snapshot(mark);
        serve(round);
        if (is_known && tm_get_traced_memory(&now, NULL) == TM_OK)
            printf("round %d: %+lld bytes\n", round, (long long)(now - before));
        before = now;
    }
    tm_take_snapshot("end");
    if (!is_known) {
        puts("tm is not loaded: run me with LD_PRELOAD=libtm.so to know where my memory goes");
        return 0;
    }
    if (argc > 1 && tm_dump_snapshot(argv[1]) == TM_OK)
        puts("dumped a snapshot");
    for (struct session *session = open_sessions; session; session = session->next)
        if (session->round < ROUNDS) {
            explain(session);
            break;
        }
    return 0;
}

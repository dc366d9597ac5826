// A server that finds its own leak, in C++: sessions are kept in a map, and every tenth one is not taken out of it. Where
// the memory went is asked of the map itself: its size by the line that allocated.
//
// Without libtm.so it does the same work, and says that it cannot know. With an argument it dumps a snapshot there.
#include "tm.h"
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace {

struct Session {
    int round;
    std::string user;
    std::vector<char> buffer;
};

using Sessions = std::map<int, std::unique_ptr<Session>>;

void fill(Session &session) {
    session.buffer.resize(4000); // LEAK
}

void open_session(Sessions &sessions, int round, int id) {
    auto &session = sessions[id];
    session = std::make_unique<Session>();
    session->round = round;
    session->user = "a user with the number " + std::to_string(id);
    fill(*session);
}

void serve(Sessions &sessions, int round) {
    tm_tag_guard tag("request");
    for (int request = 1; request <= 1000; request++) {
        int id = round * 1000 + request;
        open_session(sessions, round, id);
        if (request % 10 != 0)
            sessions.erase(id);
    }
}

// The latest frame of the program itself: above it are the vector's and operator new.
const tm_frame *own_frame(const tm_traceback *traceback) {
    const tm_frame *own = nullptr;
    for (size_t i = 0; i < traceback->n_frames; i++)
        if (std::strstr(traceback->frames[i].filename, "finds_leak.cc"))
            own = &traceback->frames[i];
    return own;
}

void explain(const Session &session) {
    tm_traceback *traceback;
    if (tm_get_object_traceback(session.buffer.data(), &traceback) != TM_OK)
        return;
    std::string text(tm_traceback_format(traceback, TM_FORMAT_ALL, 1, nullptr, 0) + 1, '\0');
    tm_traceback_format(traceback, TM_FORMAT_ALL, 1, &text[0], text.size());
    std::printf("a session of round %d still has %zu bytes, allocated here:\n%s", session.round, traceback->size,
                text.c_str());
    if (const tm_frame *own = own_frame(traceback))
        std::printf("leak: %s:%u\n", own->filename, own->lineno);
    tm_traceback_free(traceback);
}

void sum_up(const Sessions &sessions) {
    // The map is on the stack, which is no traced block; its nodes all lead to each other.
    tm_total_size_result *all;
    if (tm_total_size(&*sessions.begin(), nullptr, &all) != TM_OK)
        return;
    std::printf("all open sessions: %zu bytes in %zu blocks\n", all->size, all->count);
    for (size_t i = 0; i < all->n_lines; i++)
        std::printf("  %zu bytes: %s\n", all->by_line[i].size, all->by_line[i].location);
    tm_total_size_free(all);
}

} // namespace

int main(int argc, char **argv) {
    // So that printf's own buffer is not taken for growth.
    std::puts("serving");
    Sessions sessions;
    uint64_t before = 0, now = 0;
    bool is_known = tm_get_traced_memory(&before, nullptr) == TM_OK;
    for (int round = 1; round <= 3; round++) {
        tm_take_snapshot(("round " + std::to_string(round)).c_str());
        serve(sessions, round);
        if (is_known && tm_get_traced_memory(&now, nullptr) == TM_OK)
            std::printf("round %d: %+lld bytes\n", round, static_cast<long long>(now - before));
        before = now;
    }
    tm_take_snapshot("end");
    if (!is_known) {
        std::puts("tm is not loaded: run me with LD_PRELOAD=libtm.so to know where my memory goes");
        return 0;
    }
    if (argc > 1 && tm_dump_snapshot(argv[1]) == TM_OK)
        std::puts("dumped a snapshot");
    for (auto &entry : sessions)
        if (entry.second->round < 3) {
            explain(*entry.second);
            break;
        }
    sum_up(sessions);
    return 0;
}

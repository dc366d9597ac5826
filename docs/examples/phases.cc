// Three faults for docs/guide.md to find: a leak, a cache that grows from one phase to the next, and a burst of temporary strings.
// g++ -g -O1 -I ../../api/include phases.cc -o phases
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "tm.h"

struct Request {
    int id;
    std::string path;
    char *body;
};

std::map<std::string, std::vector<char>> cache;

char *read_body(int id) {
    size_t length = 200 + id % 300;
    char *body = static_cast<char *>(malloc(length));
    memset(body, id, length);
    return body;
}

// Bodies of requests that failed are never freed: the leak.
void handle(int id) {
    Request request = {id, "/items/" + std::to_string(id % 500), read_body(id)};
    bool failed = id % 7 == 0;
    if (!failed) free(request.body);
}

// The key has a number in it that no request has twice, so nothing is ever found: the growth.
void remember(int id) {
    std::string key = "/items/" + std::to_string(id % 500) + "?" + std::to_string(id);
    cache[key] = std::vector<char>(900);
}

std::string format_line(int id) {
    std::string line = "request ";
    line += std::to_string(id);
    line += " was answered with all that there was to say";
    return line;
}

// A string for each line, thrown away at once: the temporaries.
size_t write_log(int lines) {
    size_t written = 0;
    for (int i = 0; i < lines; i++) written += format_line(i).size();
    return written;
}

int main() {
    std::vector<std::vector<char>> configuration(200, std::vector<char>(10000));
    tm_take_snapshot("loaded");
    for (int id = 0; id < 10000; id++) handle(id);
    tm_take_snapshot("warm");
    for (int id = 0; id < 6000; id++) {
        handle(id);
        remember(id);
    }
    tm_take_snapshot("served");
    size_t written = write_log(30000);
    cache.clear();
    return written > 0 ? 0 : 1;
}

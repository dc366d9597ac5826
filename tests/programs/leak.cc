// Requests come and go; every tenth one's log line is never freed, and a cache grows in the second half.
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

static std::vector<std::string *> cache;

static char *log_line(int request) {
    char *line = static_cast<char *>(malloc(2000)); // LEAK
    memset(line, request, 2000);
    return line;
}

static void serve(int request) {
    std::vector<int> work(1000 + request % 100);
    char *line = log_line(request);
    if (request % 10 != 0)
        free(line);
    if (request > 5000)
        cache.push_back(new std::string(500, 'x')); // GROWTH
}

int main() {
    for (int request = 0; request < 10000; request++)
        serve(request);
    for (std::string *entry : cache)
        delete entry;
}

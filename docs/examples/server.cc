// A server that forgets to close every third session. Build it with: g++ -g -O1 server.cc -o server
#include <map>
#include <memory>
#include <string>
#include <vector>

struct Session {
    std::string user;
    std::vector<char> buffer;
};

static std::map<int, std::shared_ptr<Session>> sessions;

static void open_session(int id) {
    auto session = std::make_shared<Session>();
    session->user = "user number " + std::to_string(id);
    session->buffer.resize(4096);
    sessions[id] = session;
}

static void close_session(int id) {
    sessions.erase(id);
}

int main() {
    for (int id = 0; id < 10000; id++) {
        open_session(id);
        if (id % 3 != 0) {
            close_session(id);
        }
    }
}

// A server of four threads that answers requests on 127.0.0.1, and forgets one in fifty.
// Build it with: g++ -g -O1 -pthread busy.cc -o busy; run it with a port, and ask it with: curl 127.0.0.1:PORT/name
#include <arpa/inet.h>
#include <cstdlib>
#include <map>
#include <mutex>
#include <pthread.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

struct Request {
    std::vector<std::string> words;
    std::string answer;
};

static std::mutex lock;
static std::map<long, Request> requests;

static Request parse(const std::string &text) {
    Request request;
    size_t start = 0;
    for (size_t end; (end = text.find(' ', start)) != std::string::npos; start = end + 1) {
        request.words.push_back(text.substr(start, end - start));
    }
    return request;
}

static std::string answer(const Request &request) {
    std::string body;
    for (const std::string &word : request.words) {
        body += "You said: " + word + "\n";
    }
    body.resize(2000, '.');
    return "HTTP/1.0 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

static void serve(int listener, const char *name) {
    pthread_setname_np(pthread_self(), name);
    for (long number = 0;; number++) {
        int connection = accept(listener, nullptr, nullptr);
        std::string text(4096, '\0');
        ssize_t length = read(connection, text.data(), text.size());
        text.resize(length > 0 ? length : 0);
        Request request = parse(text);
        request.answer = answer(request);
        if (write(connection, request.answer.data(), request.answer.size()) < 0) {
            // Who asked has left.
        }
        close(connection);
        std::lock_guard<std::mutex> guard(lock);
        long key = number * 100 + name[7];
        requests[key] = std::move(request);
        if (number % 50 != 0) {
            requests.erase(key);
        }
    }
}

int main(int argc, char **argv) {
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(argc > 1 ? atoi(argv[1]) : 8080);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (sockaddr *)&address, sizeof address) != 0 || listen(listener, 64) != 0) {
        return 1;
    }
    static const char *names[] = {"worker 1", "worker 2", "worker 3", "worker 4"};
    std::vector<std::thread> workers;
    for (const char *name : names) {
        workers.emplace_back(serve, listener, name);
    }
    for (std::thread &worker : workers) {
        worker.join();
    }
}

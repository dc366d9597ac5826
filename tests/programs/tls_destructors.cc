// C++ thread_local objects that free their memory when a thread ends, after the thread's function has returned: what
// they allocated is all given back, so every block of the threads is gone at the end.
#include <cstdio>
#include <map>
#include <string>
#include <thread>
#include <vector>

struct Late {
    std::map<int, std::string> words;
    Late *next = nullptr;
    ~Late() {
        words.clear();
        for (int i = 0; i < 10; i++)
            words[i] = std::string(100 + i, 'x');
    }
};

static thread_local Late late;
static thread_local std::vector<std::string> strings;

int main() {
    for (int round = 0; round < 50; round++) {
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; i++)
            threads.emplace_back([i] {
                for (int n = 0; n < 20; n++) {
                    late.words[n] = std::string(50 + n, 'a');
                    strings.push_back(std::string(40 + i, 'b'));
                }
            });
        for (auto &thread : threads)
            thread.join();
    }
    std::puts("done");
}

// Works through a list and gives all back; with an argument it forgets one block of 1,000 bytes.
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

static char *take_block() {
    return static_cast<char *>(malloc(1000)); // LEAK
}

int main(int argc, char **) {
    std::vector<std::string> words;
    for (int n = 0; n < 100; n++)
        words.push_back(std::string(100, 'x'));
    char *block = take_block();
    memset(block, 1, 1000);
    if (argc < 2)
        free(block);
    return block == nullptr;
}

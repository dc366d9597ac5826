// A C++ program at work in its standard library: words are counted, indexed, sorted and joined, again and again.
//
//   containers ROUNDS
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

static uint64_t state = 88172645463325252ULL;

static uint64_t random_number(uint64_t below) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state >> 33) % below;
}

struct Document {
    std::string title;
    std::vector<std::string> words;
    std::map<std::string, std::vector<int>> places;
};

static std::string word() {
    std::string result = "the quite ordinary word ";
    for (uint64_t i = 0, n = 1 + random_number(12); i < n; i++)
        result += static_cast<char>('a' + random_number(3));
    return result;
}

static std::shared_ptr<Document> write(int number) {
    auto document = std::make_shared<Document>();
    document->title = "document number " + std::to_string(number);
    for (int i = 0; i < 300; i++)
        document->words.push_back(word());
    return document;
}

static void index(Document &document) {
    for (size_t i = 0; i < document.words.size(); i++)
        document.places[document.words[i]].push_back(static_cast<int>(i));
}

static size_t join(const std::list<std::shared_ptr<Document>> &documents) {
    std::unordered_map<std::string, int> counts;
    for (const auto &document : documents)
        for (const auto &[text, places] : document->places)
            counts[text] += static_cast<int>(places.size());
    std::vector<std::pair<std::string, int>> sorted(counts.begin(), counts.end());
    std::sort(sorted.begin(), sorted.end());
    std::string all;
    for (const auto &[text, count] : sorted)
        all += text + " " + std::to_string(count) + "\n";
    return all.size();
}

int main(int argc, char **argv) {
    size_t sum = 0;
    for (int round = 0, rounds = argc == 2 ? std::atoi(argv[1]) : 0; round < rounds; round++) {
        std::list<std::shared_ptr<Document>> documents;
        for (int i = 0; i < 50; i++) {
            documents.push_back(write(i));
            index(*documents.back());
        }
        sum += join(documents);
    }
    std::printf("%zu\n", sum);
}

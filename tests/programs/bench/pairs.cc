// What a compiler is given where it is to work shortly: a map of strings, sorted into a vector.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

std::vector<std::pair<std::string, int>> pairs(const std::map<std::string, int> &map) {
    std::vector<std::pair<std::string, int>> sorted(map.begin(), map.end());
    std::sort(sorted.begin(), sorted.end(), [](const auto &a, const auto &b) { return a.second < b.second; });
    return sorted;
}

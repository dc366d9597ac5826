// Containers of C++ against tm_total_size. What they take is known from an allocator that counts what the container asks
// for, and of strings from their capacity.
#include "tm.h"
#include <cstdio>
#include <cstdlib>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

// All memory is empty at first. What its owner has not written to yet (room of a vector, the rest of a short string) would
// hold what was there before, parts of old pointers among it, and what looks like a pointer is one.
// Not inlined, or the compiler takes `free` for a mistake.
__attribute__((noinline)) void *operator new(size_t size) {
    void *block = std::calloc(1, size);
    if (!block)
        std::abort();
    return block;
}

__attribute__((noinline)) void operator delete(void *block) noexcept { std::free(block); }
__attribute__((noinline)) void operator delete(void *block, size_t) noexcept { std::free(block); }

namespace {

// Of all containers that use it, since it was last asked.
struct Counted {
    size_t size = 0, count = 0;
} counted;

template <class T> struct Counting {
    using value_type = T;
    Counting() = default;
    template <class U> Counting(const Counting<U> &) {}
    T *allocate(size_t n) {
        counted.size += n * sizeof(T);
        counted.count++;
        return static_cast<T *>(::operator new(n * sizeof(T)));
    }
    void deallocate(T *pointer, size_t n) {
        counted.size -= n * sizeof(T);
        counted.count--;
        ::operator delete(pointer);
    }
    template <class U> bool operator==(const Counting<U> &) const { return true; }
    template <class U> bool operator!=(const Counting<U> &) const { return false; }
};

int n_wrong = 0;

// Asks of `pointer`, which has to hold so much.
void expect_size(const char *what, const void *pointer, size_t size, size_t count) {
    tm_total_size_result *result;
    int outcome = tm_total_size(pointer, nullptr, &result);
    if (outcome != TM_OK) {
        std::printf("%s: no answer: %d\n", what, outcome);
        n_wrong++;
        return;
    }
    if (result->size != size || result->count != count) {
        std::printf("%s: %zu bytes in %zu blocks, not %zu in %zu\n", what, result->size, result->count, size, count);
        n_wrong++;
    }
    tm_total_size_free(result);
}

// The container itself is a block too, so that what points back to it (a map's nodes to its header) is in a traced one.
template <class Container> void expect_counted(const char *what, const Container *container) {
    expect_size(what, container, sizeof(Container) + counted.size, 1 + counted.count);
}

// Bytes of a string outside of itself: short ones are inside.
size_t outside(const std::string &text) {
    auto begin = reinterpret_cast<const char *>(&text), data = text.data();
    return data >= begin && data < begin + sizeof text ? 0 : text.capacity() + 1;
}

void maps() {
    using Map = std::map<int, long, std::less<int>, Counting<std::pair<const int, long>>>;
    counted = {};
    auto map = std::make_unique<Map>();
    expect_counted("an empty map", map.get());
    for (int i = 0; i < 3000; i++)
        (*map)[i * 7919 % 3001] = i;
    expect_counted("a map", map.get());
    for (int i = 0; i < 3000; i += 2)
        map->erase(i);
    expect_counted("a map, half of it erased", map.get());
    // Its nodes lead to each other and to the map, from anywhere.
    expect_size("a node of a map", &*map->find(1001), sizeof(Map) + counted.size, 1 + counted.count);
}

void strings() {
    auto *texts = new std::vector<std::string>;
    size_t size = sizeof *texts, count = 2;
    for (size_t i = 0; i < 500; i++)
        texts->emplace_back(i % 50, 'x');
    texts->shrink_to_fit();
    size += texts->capacity() * sizeof(std::string);
    for (auto &text : *texts) {
        size += outside(text);
        count += outside(text) > 0;
    }
    expect_size("a vector of strings", texts, size, count);
    // Room that is not used counts: it was asked for.
    texts->reserve(1000);
    expect_size("a vector with room", texts, size + 500 * sizeof(std::string), count);
    delete texts;
}

void hash_maps() {
    using Text = std::basic_string<char, std::char_traits<char>, Counting<char>>;
    using Numbers = std::vector<int, Counting<int>>;
    struct Hash {
        size_t operator()(const Text &text) const { return std::hash<std::string>()(text.c_str()); }
    };
    using Map = std::unordered_map<Text, Numbers, Hash, std::equal_to<Text>, Counting<std::pair<const Text, Numbers>>>;
    counted = {};
    auto *map = new Map;
    for (int i = 0; i < 1000; i++)
        for (int k = 0; k < i % 5; k++)
            (*map)[Text("a key that is long enough for a block of its own: ") + std::to_string(i).c_str()].push_back(k);
    expect_counted("an unordered map", map);
    delete map;
    using List = std::list<Map, Counting<Map>>;
    counted = {};
    auto *list = new List(3);
    for (auto &each : *list)
        each["short"].assign(10, 1);
    expect_counted("a list of unordered maps", list);
    delete list;
}

struct Node {
    std::vector<std::shared_ptr<Node>, Counting<std::shared_ptr<Node>>> children;
    std::weak_ptr<Node> parent;
};

void graphs() {
    counted = {};
    std::vector<std::shared_ptr<Node>> nodes;
    for (int i = 0; i < 300; i++)
        nodes.push_back(std::allocate_shared<Node>(Counting<Node>()));
    for (int i = 0; i < 300; i++) {
        // A cycle, and two edges more that many share.
        for (int child : {i + 1, i / 2, i * i})
            nodes[i]->children.push_back(nodes[child % 300]);
        nodes[(i + 1) % 300]->parent = nodes[i];
    }
    // No container is around it: the vector of all is none of the graph's.
    expect_size("a graph of shared pointers", nodes[17].get(), counted.size, counted.count);
    for (auto &node : nodes)
        node->children.clear();
}

} // namespace

int main() {
    maps();
    strings();
    hash_maps();
    graphs();
    std::puts(n_wrong ? "wrong" : "right");
    return n_wrong != 0;
}

// Calls each C++ operator that allocates or frees a number of times of its own, with sizes of its own; then fails to
// allocate in every way. tests/allocators.rs repeats the numbers. Built with some allocator, or none.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <malloc.h>
#include <new>

static const std::align_val_t alignment{64};

// Kind k allocates 10 + k blocks of 6400 + 64 k bytes and gives all but one of them back.
template <class New, class Delete> static void kind(int k, New allocate, Delete give_back) {
    void *blocks[40];
    for (int i = 0; i < 10 + k; i++)
        blocks[i] = allocate(6400 + 64 * (size_t)k);
    for (int i = 1; i < 10 + k; i++)
        give_back(blocks[i], 6400 + 64 * (size_t)k);
}

static void every_operator() {
    using std::nothrow;
    kind(0, [](size_t n) { return ::operator new(n); }, [](void *p, size_t) { ::operator delete(p); });
    kind(1, [](size_t n) { return ::operator new[](n); }, [](void *p, size_t) { ::operator delete[](p); });
    kind(2, [](size_t n) { return ::operator new(n, nothrow); },
         [](void *p, size_t) { ::operator delete(p, nothrow); });
    kind(3, [](size_t n) { return ::operator new[](n, nothrow); },
         [](void *p, size_t) { ::operator delete[](p, nothrow); });
    kind(4, [](size_t n) { return ::operator new(n, alignment); },
         [](void *p, size_t) { ::operator delete(p, alignment); });
    kind(5, [](size_t n) { return ::operator new[](n, alignment); },
         [](void *p, size_t) { ::operator delete[](p, alignment); });
    kind(6, [](size_t n) { return ::operator new(n, alignment, nothrow); },
         [](void *p, size_t) { ::operator delete(p, alignment, nothrow); });
    kind(7, [](size_t n) { return ::operator new[](n, alignment, nothrow); },
         [](void *p, size_t) { ::operator delete[](p, alignment, nothrow); });
    kind(8, [](size_t n) { return ::operator new(n); }, [](void *p, size_t n) { ::operator delete(p, n); });
    kind(9, [](size_t n) { return ::operator new[](n); }, [](void *p, size_t n) { ::operator delete[](p, n); });
    kind(10, [](size_t n) { return ::operator new(n, alignment); },
         [](void *p, size_t n) { ::operator delete(p, n, alignment); });
    kind(11, [](size_t n) { return ::operator new[](n, alignment); },
         [](void *p, size_t n) { ::operator delete[](p, n, alignment); });
    // Of C: kinds 12 to 16.
    kind(12, [](size_t n) { return std::malloc(n); }, [](void *p, size_t) { std::free(p); });
    kind(13, [](size_t n) { return std::calloc(1, n); }, [](void *p, size_t) { std::free(p); });
    kind(14, [](size_t n) { return std::aligned_alloc(64, n); }, [](void *p, size_t) { std::free(p); });
    kind(15, [](size_t n) { return memalign(64, n); }, [](void *p, size_t) { std::free(p); });
    kind(16, [](size_t n) { return std::realloc(std::malloc(n + 10000), n); },
         [](void *p, size_t) { std::free(p); });
}

template <class New> static void fails(const char *what, New allocate) {
    try {
        void *block = allocate((size_t)PTRDIFF_MAX - 4096);
        std::printf("%s: %s\n", what, block ? "a block" : "NULL");
    } catch (const std::bad_alloc &error) {
        std::printf("%s: bad_alloc\n", what);
    }
}

static int handled;
static void handler() {
    if (++handled == 3)
        throw std::bad_alloc();
}

static void every_failure() {
    fails("new", [](size_t n) { return ::operator new(n); });
    fails("new[]", [](size_t n) { return ::operator new[](n); });
    fails("new(nothrow)", [](size_t n) { return ::operator new(n, std::nothrow); });
    fails("new(align)", [](size_t n) { return ::operator new(n, alignment); });
    fails("new[](align, nothrow)", [](size_t n) { return ::operator new[](n, alignment, std::nothrow); });
    std::set_new_handler(handler);
    fails("new with a handler", [](size_t n) { return ::operator new(n); });
    std::printf("the handler was called %d times\n", handled);
}

int main(int argc, char **) {
    static char buffer[4096];
    std::setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    every_operator();
    if (argc > 1)
        every_failure();
    std::puts("done");
}

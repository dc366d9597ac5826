// Allocations at known lines, in C++: `new`, a constructor, a lambda, a template that is inlined.
#include <cstdlib>
#include <new>

static void *volatile kept[16];

struct Holder {
    char *room;
    __attribute__((noinline)) explicit Holder(int n)
        : room(new char[n]) {} // HERE:constructor
};

template <class T> __attribute__((always_inline)) inline T *make(int n) {
    return static_cast<T *>(malloc(n * sizeof(T))); // HERE:template
}

int main() {
    kept[0] = new int(5); // HERE:new
    kept[1] = Holder(333).room; // HERE:calls_constructor
    auto lambda = [](int n) __attribute__((noinline)) {
        return malloc(n); // HERE:lambda
    };
    kept[2] = lambda(444); // HERE:calls_lambda
    kept[3] = make<double>(55); // HERE:calls_template
    return 0;
}

// Lambdas that are inlined everywhere, so that they have no symbols: 1001, 2001, 3001 and 4001 bytes.
#include <cstdlib>

static void *volatile kept;

template <class F> static inline __attribute__((always_inline)) void call(F function) { function(); }

namespace app {
__attribute__((noinline)) void fill(int n)
{
    auto one = [&]() __attribute__((always_inline)) { kept = malloc(1000 + n); };
    auto two = [&]() __attribute__((always_inline)) { kept = malloc(2000 + n); };
    call(one);
    call(two);
    call([&]() __attribute__((always_inline)) { kept = malloc(3000 + n); });
}
}

int main(int argc, char **)
{
    app::fill(argc);
    call([&]() __attribute__((always_inline)) { kept = malloc(4000 + argc); });
}

// Boost's fibers and coroutines: stacks that begin in its assembly, which go on at other depths of other callers, end early and
// throw. argv[1], if given, is where the notes go.
#include "noted.h"

#include <boost/context/fiber.hpp>
#include <boost/coroutine2/all.hpp>
#include <cstdio>

using boost::context::fiber;
using coroutine = boost::coroutines2::coroutine<int>;

__attribute__((noinline)) static void allocates(int n) { CALL(NOTED("coroutine", 100 + n)); }

__attribute__((noinline)) static int descend(int n) {
    int below = n == 0 ? 0 : descend(n - 1);
    CALL(allocates(n));
    return below + 1;
}

static int throws() {
    try {
        coroutine::pull_type thrower([](coroutine::push_type &sink) {
            sink(descend(2));
            throw descend(1);
        });
        thrower();
    } catch (int n) {
        return descend(n);
    }
    return 0;
}

int main(int argc, char **argv) {
    start_notes();
    int sum = 0;
    for (int round = 0; round < 5; round++) {
        coroutine::pull_type source([&](coroutine::push_type &sink) {
            for (int n = 0; n < 5; n++)
                sink(descend(n));
        });
        fiber other{[&](fiber &&back) {
            sum += descend(3);
            back = std::move(back).resume();
            sum += throws();
            return std::move(back);
        }};
        other = std::move(other).resume();
        for (int n : source)
            sum += n + descend(2);
        other = std::move(other).resume();
        // It is left in the middle, and its stack unwound.
        coroutine::pull_type unfinished([&](coroutine::push_type &sink) {
            sink(descend(1));
            sum += descend(1);
        });
    }
    printf("%d\n", sum);
    if (argc > 1)
        write_notes(argv[1]);
    return 0;
}

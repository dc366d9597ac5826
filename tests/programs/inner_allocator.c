/* Has an allocator inside, as far as one can tell from outside: by a function's name with a prefix, or by its texts. */
#include <stdlib.h>

static char arena[4096];

#ifdef PREFIXED
__attribute__((noinline)) static void *inner_mallocx(size_t size) { return arena + size % sizeof arena; }
#else
const char *volatile text = "<jemalloc>: Malformed conf string\n";
static void *inner_mallocx(size_t size) { return arena + size % sizeof arena; }
#endif

int main(int argc, char **argv) {
    (void)argv;
    free(malloc(10));
    return inner_mallocx((size_t)argc) == NULL;
}

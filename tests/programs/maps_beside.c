/* A library with zeros at its end, that maps more at its start: what is loaded later lies beside them. */
#include <sys/mman.h>

char zeros[1 << 17];

static __attribute__((constructor)) void map(void) {
    mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

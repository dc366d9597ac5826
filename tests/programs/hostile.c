// Functions that each keep a block and free another; tests give them names that are something else in a format.

#include <stdlib.h>

#define KEEPS(NUMBER)                                         \
    __attribute__((noinline)) void *keeps_##NUMBER(size_t n)  \
    {                                                         \
        char *kept = malloc(n), *gone = malloc(n);            \
        *(volatile char *)gone = 0;                           \
        free(gone);                                           \
        kept[0] = 1;                                          \
        return kept;                                          \
    }

KEEPS(0) KEEPS(1) KEEPS(2) KEEPS(3) KEEPS(4) KEEPS(5) KEEPS(6)

static void *volatile kept[7];

int main(void)
{
    kept[0] = keeps_0(1000);
    kept[1] = keeps_1(1001);
    kept[2] = keeps_2(1002);
    kept[3] = keeps_3(1003);
    kept[4] = keeps_4(1004);
    kept[5] = keeps_5(1005);
    kept[6] = keeps_6(1006);
    return 0;
}

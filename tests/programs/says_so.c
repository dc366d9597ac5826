// Says that it runs, which it must not where it is refused.
#include <stdio.h>

int main(void) {
    puts("I run");
    return 0;
}

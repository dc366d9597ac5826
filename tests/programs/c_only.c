/* A C program without any C++ library: 50 blocks of 640 bytes, 30 of them freed. */
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    void *volatile blocks[50];
    for (int i = 0; i < 50; i++)
        blocks[i] = malloc(640);
    for (int i = 0; i < 30; i++)
        free(blocks[i]);
    puts("done");
}

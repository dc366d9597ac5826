/* What recordings of version 5 hold beside what those of version 3 did: the program whose recording is kept as
   tests/fixtures/version-5.bin. It was made with gcc -g -O1, and run with TM_LIMIT=1M while tmtool kept its recording.

   By hand: 10 x 1,000 B live on, but for one in the child, which frees it. The peak are these and 200,000 B. Then come and go
   300,000 x 48 B, in the child 30,000 x 56 B, which leaves 3 x 70 B and ends; its events are folded after that, for another 300,000 x 48 B
   follow. 5 x 500 B come last. */
#include <sys/wait.h>

#include "room.h"

static void *volatile kept[18];

__attribute__((noinline)) static void keeps(int first, int n, size_t size) {
    for (int place = first; place < first + n; place++)
        kept[place] = malloc(size);
}

__attribute__((noinline)) static void comes_and_goes(int n, size_t size) {
    for (int round = 0; round < n; round++) {
        if (round % 64 == 0)
            wait_for_room();
        void *volatile block = malloc(size);
        free(block);
    }
}

int main(void) {
    look_at_room(20);
    keeps(0, 10, 1000);
    comes_and_goes(1, 200000);
    comes_and_goes(300000, 48);
    pid_t pid = fork();
    if (pid == 0) {
        comes_and_goes(30000, 56);
        keeps(10, 3, 70);
        free(kept[0]);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    comes_and_goes(300000, 48);
    keeps(13, 5, 500);
    return 0;
}

/* Allocates when it is told to, and never else: a line of standard input `COUNT SIZE` keeps COUNT blocks of SIZE bytes,
   `fork` goes on in a child that has not allocated, and the end of the input ends it. Each line is answered by one that
   says the process. With the argument `busy` a thread allocates and frees 24 bytes all the time. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile kept;

static void *allocate_all_the_time(void *unused) {
    for (;;) {
        void *volatile block = malloc(24);
        free(block);
        usleep(200);
    }
    return unused;
}

__attribute__((noinline)) static void keep(long count, long size) {
    for (long i = 0; i < count; i++)
        kept = malloc(size);
}

/* Without stdio, whose buffers are allocated. */
static int read_line(char *line, size_t size) {
    size_t length = 0;
    while (length + 1 < size && read(STDIN_FILENO, line + length, 1) == 1) {
        if (line[length] == '\n') {
            line[length] = '\0';
            return 1;
        }
        length++;
    }
    return 0;
}

static void answer(void) {
    char text[32];
    int length = snprintf(text, sizeof text, "%d\n", getpid());
    if (write(STDOUT_FILENO, text, length) != length)
        abort();
}

int main(int argc, char **argv) {
    char line[64];
    if (argc > 1 && strcmp(argv[1], "busy") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, allocate_all_the_time, NULL);
    }
    keep(1, 1);
    answer();
    while (read_line(line, sizeof line)) {
        if (strcmp(line, "fork") == 0) {
            pid_t child = fork();
            if (child > 0) {
                waitpid(child, NULL, 0);
                return 0;
            }
        } else {
            char *rest;
            long count = strtol(line, &rest, 10);
            keep(count, strtol(rest, NULL, 10));
        }
        answer();
    }
    return 0;
}

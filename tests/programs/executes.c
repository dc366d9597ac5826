/* Executes the program of its second argument in the way of its first, in a child, and says how that has ended. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define LIST program, program, "1", "2", "3", "4", "5", "6", "7", NULL

static void execute(const char *how, char *program) {
    char *list[] = {program, "1", "2", "3", "4", "5", "6", "7", NULL};
    if (!strcmp(how, "execve")) execve(program, list, environ);
    if (!strcmp(how, "execv")) execv(program, list);
    if (!strcmp(how, "execvp")) execvp(program, list);
    if (!strcmp(how, "execvpe")) execvpe(program, list, environ);
    if (!strcmp(how, "execl")) execl(LIST);
    if (!strcmp(how, "execlp")) execlp(LIST);
    if (!strcmp(how, "execle")) execle(LIST, environ);
    if (!strcmp(how, "fexecve")) fexecve(open(program, O_RDONLY), list, environ);
}

int main(int argc, char **argv) {
    char *list[] = {argv[2], "1", "2", "3", "4", "5", "6", "7", NULL}, *how = argv[1];
    pid_t pid = -1;
    int status = -1;
    (void)argc;
    if (!strcmp(how, "posix_spawn")) {
        posix_spawn(&pid, argv[2], NULL, NULL, list, environ);
    } else if (!strcmp(how, "posix_spawnp")) {
        posix_spawnp(&pid, argv[2], NULL, NULL, list, environ);
    } else if (!strncmp(how, "vfork ", 6)) {
        pid = vfork();
        if (pid == 0) {
            execute(how + 6, argv[2]);
            _exit(99);
        }
    } else {
        pid = fork();
        if (pid == 0) {
            execute(how, argv[2]);
            _exit(99);
        }
    }
    waitpid(pid, &status, 0);
    const char *preload = getenv("LD_PRELOAD");
    printf("status %d, %s here\n", WEXITSTATUS(status), preload && strstr(preload, "libtm.so") ? "preloaded" : "bare");
    return 0;
}

/* Executes the program of its second argument in the way of its first, in a child, and says how that has ended. With "chdir"
   or "fchdir" the child goes to the folder of the third argument first. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

enum { SIGNAL_STACK = 8192 };
static const char *handled_how;
static char *handled_program;

static void handler(int signal) {
    (void)signal;
    execute(handled_how, handled_program);
    _exit(98);
}

/* In a handler on a stack of the traditional size, with nothing below it. */
static void execute_in_handler(const char *how, char *program) {
    char *memory = mmap(NULL, 2 * SIGNAL_STACK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = {.ss_sp = memory + SIGNAL_STACK, .ss_size = SIGNAL_STACK};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    handled_how = how, handled_program = program;
    if (mprotect(stack.ss_sp, SIGNAL_STACK, PROT_READ | PROT_WRITE) || sigaltstack(&stack, NULL) ||
        sigaction(SIGUSR1, &action, NULL) || raise(SIGUSR1))
        _exit(97);
}

static posix_spawn_file_actions_t *actions_to(const char *how, const char *folder) {
    static posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (strstr(how, "fchdir"))
        posix_spawn_file_actions_addfchdir_np(&actions, open(folder, O_PATH));
    else
        posix_spawn_file_actions_addchdir_np(&actions, folder);
    return &actions;
}

int main(int argc, char **argv) {
    char *list[] = {argv[2], "1", "2", "3", "4", "5", "6", "7", NULL}, *how = argv[1];
    pid_t pid = -1;
    int status = -1;
    posix_spawn_file_actions_t *actions = argc > 3 ? actions_to(how, argv[3]) : NULL;
    if (!strncmp(how, "posix_spawnp", 12)) {
        posix_spawnp(&pid, argv[2], actions, NULL, list, environ);
    } else if (!strncmp(how, "posix_spawn", 11)) {
        posix_spawn(&pid, argv[2], actions, NULL, list, environ);
    } else if (!strncmp(how, "vfork ", 6)) {
        pid = vfork();
        if (pid == 0) {
            execute(how + 6, argv[2]);
            _exit(99);
        }
    } else {
        pid = fork();
        if (pid == 0) {
            if (!strncmp(how, "handler ", 8))
                execute_in_handler(how + 8, argv[2]);
            execute(how, argv[2]);
            _exit(99);
        }
    }
    waitpid(pid, &status, 0);
    const char *preload = getenv("LD_PRELOAD");
    printf("status %d, %s here\n", WEXITSTATUS(status), preload && strstr(preload, "libtm.so") ? "preloaded" : "bare");
    return 0;
}

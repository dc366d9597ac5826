/* A handler forks again and again while the program allocates; each child goes on where its parent was. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t n_children, n_bad, is_child, n_wanted;

static void handle(int signal) {
    (void)signal;
    pid_t pid = fork();
    if (pid == 0) {
        is_child = 1;
        return;
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        n_bad++;
    n_children++;
    /* On a busy machine the next signal waits already, and the program never comes to look at the number. */
    struct itimerval never = {{0, 0}, {0, 0}};
    if (n_children >= n_wanted)
        setitimer(ITIMER_REAL, &never, NULL);
}

int main(int argc, char **argv) {
    n_wanted = argc > 1 ? atoi(argv[1]) : 100;
    struct itimerval interval = {{0, 300}, {0, 300}};
    signal(SIGALRM, handle);
    setitimer(ITIMER_REAL, &interval, NULL);
    for (int rest = 1000; n_children < n_wanted && rest > 0; rest -= is_child) {
        void *volatile block = malloc(24);
        free(block);
    }
    if (is_child)
        _exit(0);
    printf("%d children, %d of them bad\n", n_children, n_bad);
    return 0;
}

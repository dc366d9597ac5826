/* Shows what a program could notice of libtm.so beside its calls: its descriptors, threads, umask, environment and
 * children's environment; then allocates 100 blocks from a stack that is 12 frames deep or more. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;
static void *volatile kept;

static int n_entries(const char *folder) {
    int n = 0;
    DIR *entries = opendir(folder);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        n += entry->d_name[0] != '.';
    closedir(entries);
    return n;
}

__attribute__((noinline)) static int deep(int depth) {
    if (depth == 0) {
        for (int i = 0; i < 100; i++)
            kept = malloc(321);
        return 1;
    }
    return 1 + deep(depth - 1);
}

int main(void) {
    for (int fd = 0; fd < 64; fd++) {
        struct stat status;
        if (fstat(fd, &status) == 0)
            printf("descriptor %d, mode %o\n", fd, (unsigned)status.st_mode);
    }
    printf("%d descriptors listed, %d threads\n", n_entries("/proc/self/fd"), n_entries("/proc/self/task"));
    printf("umask %o\n", (unsigned)umask(0));
    for (char **variable = environ; *variable; variable++)
        if (strncmp(*variable, "TM_", 3) != 0 && strncmp(*variable, "LD_PRELOAD", 10) != 0)
            puts(*variable);
    printf("%d frames\n", deep(12));
}

// Works all the time in several threads, each in its own way, until its standard input ends, and counts what it does: for
// processes that are attached to meanwhile.
//
//     attached WAY N_THREADS [FILTERED]
//
// churn   a line "SIZE" has all threads allocate and free blocks of this size from then on; once all of them do, "SIZE" is
//         answered. At the end each size is said with the numbers of its allocations and frees, all blocks freed.
// fork    forks children that allocate
// open    opens and closes libm.so.6
// wait    one thread reads, the others wait for it
//
// fault   each thread traps and faults all the time, handles both, and looks that its errno and its numbers are its own
//
// With a number of a system call, the process is ended for making it.
#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <map>
#include <mutex>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

static std::atomic<size_t> wanted{100};
static std::atomic<bool> ends{false};
static std::atomic<long> failures{0}, n_turns{0};
static std::mutex lock;
struct Counts {
    long allocations = 0, frees = 0;
};
static std::map<size_t, Counts> counts;
static std::vector<std::atomic<size_t>> present(64);

static void churn(int place) {
    std::map<size_t, Counts> own;
    struct Block {
        unsigned char *start;
        size_t size;
    } blocks[32] = {};
    size_t size = 0;
    Counts *count = nullptr;
    for (unsigned turn = 0;; turn++) {
        Block &block = blocks[turn * 7 % 32];
        if (block.start) {
            if (block.start[0] != (unsigned char)place || block.start[block.size - 1] != (unsigned char)place) failures++;
            free(block.start);
            own[block.size].frees++;
            block.start = nullptr;
        }
        if (ends) break;
        if (size != wanted) {
            size = wanted;
            count = &own[size];
            present[place] = size;
        }
        block = {(unsigned char *)malloc(size), size};
        count->allocations++;
        block.start[0] = block.start[size - 1] = (unsigned char)place;
        if (turn % 64 == 0) usleep(50);
    }
    for (Block &block : blocks) {
        if (block.start) {
            free(block.start);
            own[block.size].frees++;
        }
    }
    std::lock_guard<std::mutex> held(lock);
    for (auto &[of, count] : own) {
        counts[of].allocations += count.allocations;
        counts[of].frees += count.frees;
    }
}

static void fork_on() {
    while (!ends) {
        pid_t child = fork();
        if (child == 0) {
            void *block = malloc(3000);
            memset(block, 1, 3000);
            free(block);
            _exit(7);
        }
        int status = 0;
        if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7) failures++;
        n_turns++;
    }
}

static void open_on() {
    while (!ends) {
        void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
        auto cosine = library ? (double (*)(double))dlsym(library, "cos") : nullptr;
        if (!cosine || cosine(0) != 1) failures++;
        if (library) dlclose(library);
        n_turns++;
        usleep(100);
    }
}

static thread_local sigjmp_buf back;
static thread_local int n_traps;

static void fault_on(int place) {
    errno = 1000 + place;
    double sum = 0, added = 0;
    while (!ends) {
        n_traps = 0;
        asm volatile("int3");
        if (n_traps != 1) failures++;
        if (!sigsetjmp(back, 0)) {
            *(volatile char *)8 = 1;
            failures++;
        }
        for (int n = 0; n < 1000; n++) sum += place, added++;
        if (errno != 1000 + place || sum != added * place) failures++;
        n_turns++;
        usleep(100);
        if (errno != 1000 + place) failures++;
    }
}

static void handle_faults() {
    struct sigaction action = {};
    action.sa_flags = SA_NODEFER;
    action.sa_handler = [](int) { n_traps++; };
    sigaction(SIGTRAP, &action, nullptr);
    action.sa_handler = [](int) { siglongjmp(back, 1); };
    sigaction(SIGSEGV, &action, nullptr);
}

static void filter(unsigned number) {
    sock_filter instructions[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program = {4, instructions};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) failures++;
}

int main(int n_arguments, char **arguments) {
    const char *way = arguments[1];
    int n_threads = atoi(arguments[2]);
    if (n_arguments > 3) filter((unsigned)atoi(arguments[3]));
    std::mutex held;
    held.lock();
    std::vector<std::thread> threads;
    if (!strcmp(way, "fault")) handle_faults();
    for (int place = 0; place < n_threads; place++) {
        if (!strcmp(way, "fault")) threads.emplace_back(fault_on, place);
        if (!strcmp(way, "churn")) threads.emplace_back(churn, place);
        if (!strcmp(way, "fork")) threads.emplace_back(fork_on);
        if (!strcmp(way, "open")) threads.emplace_back(open_on);
        if (!strcmp(way, "wait")) threads.emplace_back([&held] { std::lock_guard<std::mutex> mine(held); });
    }
    printf("ready\n");
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        size_t size = (size_t)atol(line);
        wanted = size;
        for (int place = 0; place < n_threads; place++)
            while (present[place] != size) usleep(100);
        printf("%zu\n", size);
        fflush(stdout);
    }
    ends = true;
    held.unlock();
    for (std::thread &thread : threads) thread.join();
    for (auto &[of, count] : counts) printf("%zu %ld %ld\n", of, count.allocations, count.frees);
    if (strcmp(way, "churn") && strcmp(way, "wait") && n_turns == 0) failures++;
    printf("%ld failures\n", failures.load());
}

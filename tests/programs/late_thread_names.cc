// Twenty threads that name themselves after their first allocation, one that is named by its maker, and one that is named
// anew very often.
#include <pthread.h>

#include <cstdlib>

static void *volatile kept;

static void *worker(void *argument)
{
    size_t k = reinterpret_cast<size_t>(argument);
    kept = malloc(10);
    char name[16] = "worker-";
    if (k >= 10)
        name[7] = '0' + k / 10, name[8] = '0' + k % 10;
    else
        name[7] = '0' + k;
    pthread_setname_np(pthread_self(), name);
    for (int i = 0; i < 30; i++)
        kept = malloc(100 + k);
    return nullptr;
}

static pthread_barrier_t barrier;

static void *named_by_main(void *)
{
    kept = malloc(777);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return nullptr;
}

static void *often(void *)
{
    kept = malloc(888);
    for (int i = 0; i < 200; i++)
        pthread_setname_np(pthread_self(), i % 2 ? "one of many" : "other of many");
    pthread_setname_np(pthread_self(), "last of many");
    return nullptr;
}

int main()
{
    pthread_t threads[22];
    for (size_t k = 0; k < 20; k++)
        pthread_create(&threads[k], nullptr, worker, reinterpret_cast<void *>(k));
    pthread_barrier_init(&barrier, nullptr, 2);
    pthread_create(&threads[20], nullptr, named_by_main, nullptr);
    pthread_barrier_wait(&barrier);
    pthread_setname_np(threads[20], "named by main");
    pthread_barrier_wait(&barrier);
    pthread_create(&threads[21], nullptr, often, nullptr);
    for (pthread_t thread : threads)
        pthread_join(thread, nullptr);
}

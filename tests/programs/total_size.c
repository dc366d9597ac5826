// Data structures of C whose bytes are known, from sizeof and from how many nodes there are, against tm_total_size: lists,
// trees, hash maps, cycles, what two structures share, and what handlers, limits and visitors make of them.
//
// With an argument only a random graph of so many nodes is built and measured, for its time and memory.
#include "tm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPECT_SIZE(pointer, options, size, count) expect_size(pointer, options, size, count, __LINE__)
#define EXPECT(condition) expect(condition, #condition, __LINE__)

static int n_wrong;

static void expect(int holds, const char *condition, int line) {
    if (!holds) {
        printf("line %d: not so: %s\n", line, condition);
        n_wrong++;
    }
}

// Asks, and checks that the groups add up; the caller gives the result back.
static tm_total_size_result *ask(const void *pointer, const tm_total_size_options *options, int line) {
    tm_total_size_result *result;
    int outcome = tm_total_size(pointer, options, &result);
    if (outcome != TM_OK) {
        printf("line %d: no answer: %d\n", line, outcome);
        exit(1);
    }
    size_t size = 0, count = 0;
    for (size_t i = 0; i < result->n_depths; i++) {
        size += result->by_depth[i].size;
        count += result->by_depth[i].count;
        expect(result->by_depth[i].depth == i, "depths ascend", line);
    }
    expect(size == result->size && count == result->count, "depths add up", line);
    size = count = 0;
    for (size_t i = 0; i < result->n_lines; i++) {
        size += result->by_line[i].size;
        count += result->by_line[i].count;
        expect(i == 0 || result->by_line[i].size <= result->by_line[i - 1].size, "the largest line is first", line);
        expect(strstr(result->by_line[i].location, "total_size.c:") != NULL, "lines are of this file", line);
    }
    expect(size == result->size && count == result->count, "lines add up", line);
    return result;
}

static void expect_size(const void *pointer, const tm_total_size_options *options, size_t size, size_t count, int line) {
    tm_total_size_result *result = ask(pointer, options, line);
    if (result->size != size || result->count != count) {
        printf("line %d: %zu bytes in %zu blocks, not %zu in %zu\n", line, result->size, result->count, size, count);
        n_wrong++;
    }
    tm_total_size_free(result);
}

static void *allocate(size_t size) {
    void *block = calloc(1, size);
    if (block == NULL)
        abort();
    return block;
}

// ---- Structures -------------------------------------------------------------------------------------------------------

struct node {
    struct node *next;
    long number;
    char *text;
};

static struct node *new_list(int length) {
    struct node *first = NULL;
    for (int i = 0; i < length; i++) {
        struct node *node = allocate(sizeof *node);
        node->next = first;
        node->number = i;
        first = node;
    }
    return first;
}

static void lists(void) {
    struct node *list = new_list(1000);
    EXPECT_SIZE(list, NULL, 1000 * sizeof *list, 1000);
    // From its middle on, and by a pointer into a node's middle.
    struct node *middle = list;
    for (int i = 0; i < 400; i++)
        middle = middle->next;
    EXPECT_SIZE(middle, NULL, 600 * sizeof *list, 600);
    EXPECT_SIZE(&middle->number, NULL, 600 * sizeof *list, 600);
    // Texts of 1, 2, .. bytes hang on the first ten nodes.
    struct node *node = list;
    for (size_t i = 1; i <= 10; i++, node = node->next)
        node->text = allocate(i);
    EXPECT_SIZE(list, NULL, 1000 * sizeof *list + 55, 1010);
    // A ring.
    while (node->next)
        node = node->next;
    node->next = list;
    EXPECT_SIZE(middle, NULL, 1000 * sizeof *list + 55, 1010);
    // Links to the links inside of the nodes, as kernels have them: interior pointers.
    struct intrusive {
        char payload[40];
        struct intrusive **link;
    };
    struct intrusive *first = NULL;
    for (int i = 0; i < 100; i++) {
        struct intrusive *entry = allocate(sizeof *entry);
        entry->link = first ? (struct intrusive **)&first->link : NULL;
        first = entry;
    }
    EXPECT_SIZE(first, NULL, 100 * sizeof *first, 100);
}

struct tree {
    struct tree *left, *right, *parent;
    int key;
};

static struct tree *new_tree(int depth, struct tree *parent) {
    if (depth == 0)
        return NULL;
    struct tree *tree = allocate(sizeof *tree);
    tree->parent = parent;
    tree->left = new_tree(depth - 1, tree);
    tree->right = new_tree(depth - 1, tree);
    return tree;
}

static void trees(void) {
    struct tree *tree = new_tree(12, NULL);
    EXPECT_SIZE(tree, NULL, 4095 * sizeof *tree, 4095);
    // Parents lead up again: from a leaf all is reached.
    struct tree *leaf = tree;
    while (leaf->left)
        leaf = leaf->left;
    EXPECT_SIZE(leaf, NULL, 4095 * sizeof *tree, 4095);
    // A level has twice as many as the one above.
    tm_total_size_result *result = ask(tree, NULL, __LINE__);
    EXPECT(result->n_depths == 12);
    for (size_t i = 0; i < result->n_depths; i++)
        EXPECT(result->by_depth[i].count == (size_t)1 << i && result->by_depth[i].location == NULL);
    EXPECT(result->n_lines == 1 && !result->is_cut);
    tm_total_size_free(result);
}

struct table {
    size_t n_buckets;
    struct entry {
        struct entry *next;
        char *key;
        long value;
    } **buckets;
};

static void tables(void) {
    struct table *table = allocate(sizeof *table);
    table->n_buckets = 256;
    table->buckets = allocate(table->n_buckets * sizeof *table->buckets);
    size_t size = sizeof *table + table->n_buckets * sizeof *table->buckets;
    for (int i = 0; i < 2000; i++) {
        struct entry *entry = allocate(sizeof *entry);
        char key[32];
        int length = snprintf(key, sizeof key, "key %d", i * 7);
        entry->key = strcpy(allocate((size_t)length + 1), key);
        entry->value = i;
        struct entry **bucket = &table->buckets[(unsigned)(i * 2654435761u) % table->n_buckets];
        entry->next = *bucket;
        *bucket = entry;
        size += sizeof *entry + (size_t)length + 1;
    }
    EXPECT_SIZE(table, NULL, size, 2 + 2 * 2000);
}

static void shared(void) {
    // Two lists with one tail, which each is charged with, and which counts once for both.
    struct node *tail = new_list(50), *heads[2];
    for (int i = 0; i < 2; i++) {
        struct node *last = heads[i] = new_list(10 * (i + 1));
        while (last->next)
            last = last->next;
        last->next = tail;
        EXPECT_SIZE(heads[i], NULL, (60 + 10 * (size_t)i) * sizeof *tail, 60 + 10 * (size_t)i);
    }
    struct node **both = allocate(sizeof heads);
    memcpy(both, heads, sizeof heads);
    EXPECT_SIZE(both, NULL, sizeof heads + 80 * sizeof *tail, 81);
    // A pointer twice, and one to itself.
    both[1] = both[0];
    EXPECT_SIZE(both, NULL, sizeof heads + 60 * sizeof *tail, 61);
    both[0] = both[1] = (struct node *)both;
    EXPECT_SIZE(both, NULL, sizeof heads, 1);
    // What lies at no multiple of 8 is no pointer, and what was freed is not there.
    char *odd = allocate(64);
    memcpy(odd + 4, &tail, sizeof tail);
    EXPECT_SIZE(odd, NULL, 64, 1);
    memcpy(odd + 8, &tail, sizeof tail);
    EXPECT_SIZE(odd, NULL, 64 + 50 * sizeof *tail, 51);
    free(tail->next);
    EXPECT_SIZE(odd, NULL, 64 + sizeof *tail, 2);
}

static void tracked(void) {
    // Slots of a pool are blocks of a domain of their own, which this line has tracked, not tm.h's.
    struct node *pool = allocate(8 * sizeof *pool);
    static struct node slots[8];
    for (int i = 0; i < 8; i++) {
        slots[i].next = i < 7 ? &slots[i + 1] : NULL;
        EXPECT(tm_track(99, (uintptr_t)&slots[i], sizeof slots[i]) == TM_OK);
    }
    pool[3].next = &slots[4];
    EXPECT_SIZE(pool, NULL, 12 * sizeof *pool, 5);
}

// ---- Limits, handlers and visitors ------------------------------------------------------------------------------------

static void limits(void) {
    struct node *list = new_list(100);
    tm_total_size_options options = {.depth_max = 9};
    EXPECT_SIZE(list, &options, 10 * sizeof *list, 10);
    tm_total_size_result *result = ask(list, &options, __LINE__);
    EXPECT(result->is_cut && result->n_depths == 10);
    tm_total_size_free(result);
    options = (tm_total_size_options){.blocks_max = 7};
    EXPECT_SIZE(list, &options, 7 * sizeof *list, 7);
    // As many as there are cut nothing.
    options = (tm_total_size_options){.depth_max = 99, .blocks_max = 100};
    result = ask(list, &options, __LINE__);
    EXPECT(!result->is_cut && result->count == 100);
    tm_total_size_free(result);
    options = (tm_total_size_options){.depth_max = SIZE_MAX};
    EXPECT_SIZE(list, &options, 100 * sizeof *list, 100);
}

struct seen {
    size_t n_blocks, size;
    unsigned depth;
    const void *skipped;
};

static void visit(void *context, const tm_block *block) {
    struct seen *seen = context;
    EXPECT(block->depth >= seen->depth && block->domain == TM_DOMAIN_HEAP);
    seen->depth = block->depth;
    seen->n_blocks++;
    seen->size += block->size;
}

// Nodes' links are stored inverted, so that no word of them is a pointer; the handler knows.
static int follow_inverted(void *context, const tm_block *block, tm_walk *walk) {
    struct seen *seen = context;
    if (block->address == (uintptr_t)seen->skipped)
        return TM_SKIP;
    const struct node *node = (const struct node *)block->address;
    if (node->next != NULL)
        EXPECT(tm_follow(walk, (const void *)~(uintptr_t)node->next) == TM_OK);
    EXPECT(tm_follow(walk, &n_wrong) == TM_NOT_FOUND);
    // Questions are not asked of a question.
    uint64_t current;
    EXPECT(tm_get_traced_memory(&current, NULL) == TM_BUSY);
    tm_total_size_result *result;
    EXPECT(tm_total_size(node, NULL, &result) == TM_BUSY && result == NULL);
    return TM_STOP;
}

static void handlers(void) {
    struct node *list = new_list(30), *other = new_list(5);
    struct seen seen = {0};
    tm_total_size_options options = {.visit = visit, .context = &seen};
    EXPECT_SIZE(list, &options, 30 * sizeof *list, 30);
    EXPECT(seen.n_blocks == 30 && seen.size == 30 * sizeof *list && seen.depth == 29);
    // Inverted, nothing is reached without the handler.
    struct node *twentieth = NULL;
    int number = 0;
    for (struct node *node = list, *next; node; node = next) {
        next = node->next;
        node->next = next ? (struct node *)~(uintptr_t)next : NULL;
        if (++number == 20)
            twentieth = node;
        // Counted, but not followed.
        node->text = (char *)other;
    }
    EXPECT_SIZE(list, NULL, sizeof *list + 5 * sizeof *other, 6);
    seen = (struct seen){0};
    options = (tm_total_size_options){.handler = follow_inverted, .visit = visit, .context = &seen};
    EXPECT_SIZE(list, &options, 30 * sizeof *list, 30);
    EXPECT(seen.n_blocks == 30);
    // The one that is skipped is not counted, nor what is behind it.
    seen = (struct seen){.skipped = twentieth};
    EXPECT_SIZE(list, &options, 19 * sizeof *list, 19);
    EXPECT(seen.n_blocks == 19);
    // Said a line each on standard error, which the driver counts.
    options = (tm_total_size_options){.verbose = 1};
    EXPECT_SIZE(other, &options, 5 * sizeof *other, 5);
}

static void nothing(void) {
    tm_total_size_result *result;
    int local = 0;
    EXPECT(tm_total_size(&local, NULL, &result) == TM_NOT_FOUND && result == NULL);
    EXPECT(tm_total_size(NULL, NULL, &result) == TM_NOT_FOUND && result == NULL);
    tm_total_size_free(NULL);
    tm_stop();
    struct node *unknown = new_list(1);
    EXPECT(tm_total_size(unknown, NULL, &result) == TM_NOT_TRACING && result == NULL);
    EXPECT(tm_start(5) == TM_OK);
    EXPECT(tm_total_size(unknown, NULL, &result) == TM_NOT_FOUND && result == NULL);
}

// ---- A large one ------------------------------------------------------------------------------------------------------

struct vertex {
    struct vertex *edges[3];
    unsigned long number;
};

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// Each vertex is reached from the one before, and has two edges to anywhere.
static void large(size_t n_vertices) {
    struct vertex **all = malloc(n_vertices * sizeof *all);
    if (all == NULL)
        abort();
    for (size_t i = 0; i < n_vertices; i++)
        all[i] = allocate(sizeof **all);
    unsigned long long random = 9;
    for (size_t i = 0; i < n_vertices; i++) {
        all[i]->number = i;
        all[i]->edges[0] = all[(i + 1) % n_vertices];
        for (int k = 1; k < 3; k++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            all[i]->edges[k] = all[(random >> 20) % n_vertices];
        }
    }
    struct vertex *first = all[0];
    double start = seconds();
    EXPECT(tm_get_traced_memory(NULL, NULL) == TM_OK);
    double caught_up = seconds();
    size_t before = tm_get_tracemalloc_memory();
    EXPECT_SIZE(first, NULL, n_vertices * sizeof *first, n_vertices);
    double walked = seconds();
    EXPECT_SIZE(first, NULL, n_vertices * sizeof *first, n_vertices);
    double again = seconds();
    printf("read_s %.3f walk_s %.3f again_s %.3f table_bytes %zu kept_bytes %zu\n", caught_up - start,
           walked - caught_up, again - walked, before, tm_get_tracemalloc_memory());
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc > 1) {
        large((size_t)atol(argv[1]));
        return n_wrong != 0;
    }
    lists();
    trees();
    tables();
    shared();
    tracked();
    limits();
    handlers();
    nothing();
    puts(n_wrong ? "wrong" : "right");
    return n_wrong != 0;
}

/* Orders of items that come and go in rounds, beside a large block: the same calls in each run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS 16

struct order {
    char *items[ITEMS];
    struct order *next;
};

static struct order *orders;

__attribute__((noinline)) static char *copy_item(int number) {
    char *item = malloc(48 + number % 64);
    memset(item, 1, 48);
    return item;
}

__attribute__((noinline)) static void new_order(int number) {
    struct order *order = malloc(sizeof *order);
    for (int i = 0; i < ITEMS; i++)
        order->items[i] = copy_item(number + i);
    order->next = orders;
    orders = order;
}

/* All but one in `kept` go. */
static void drop_orders(int kept) {
    int n = 0;
    for (struct order **place = &orders; *place;) {
        struct order *order = *place;
        if (n++ % kept == 0) {
            place = &order->next;
            continue;
        }
        *place = order->next;
        for (int i = 0; i < ITEMS; i++)
            free(order->items[i]);
        free(order);
    }
}

__attribute__((noinline)) static char *load_catalog(size_t bytes) {
    char *catalog = malloc(bytes);
    memset(catalog, 2, 4096);
    return catalog;
}

int main(void) {
    char *catalog = load_catalog(24 << 20);
    for (int round = 0; round < 4; round++) {
        for (int number = 0; number < 5000; number++)
            new_order(number);
        drop_orders(4);
    }
    free(catalog);
    puts("done");
    return 0;
}

/* Whether the table tm_api has each function where the header says: at FUNCTIONS, which is F(name) for each of its
 * functions, stands the address of the exported function tm_name. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include "tm.h"

#define F(name) { #name, (void *)api->name, dlsym(RTLD_DEFAULT, "tm_" #name) },

int main(void) {
    const struct tm_api *api = tm_loaded_api();
    if (!api)
        return 2;
    struct { const char *name; void *in_table, *exported; } functions[] = { FUNCTIONS };
    int n_wrong = 0;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (!functions[i].exported || functions[i].in_table != functions[i].exported) {
            printf("tm_%s is at %p, not at %p\n", functions[i].name, functions[i].exported, functions[i].in_table);
            n_wrong++;
        }
    printf("%zu bytes of %zu, %zu functions, %d wrong\n", api->size, sizeof *api, sizeof functions / sizeof *functions,
           n_wrong);
    return n_wrong != 0;
}

// What effects.ml calls: an allocation of so many bytes, two calls deep.
#include <caml/mlvalues.h>
#include <stdlib.h>

__attribute__((noinline)) static void *allocates(long size) {
    void *block = malloc(size);
    __asm__ volatile("" ::"r"(block) : "memory");
    return block;
}

value allocate_in_c(value size) {
    void *block = allocates(Long_val(size));
    __asm__ volatile("" ::"r"(block) : "memory");
    return Val_long(block != NULL);
}

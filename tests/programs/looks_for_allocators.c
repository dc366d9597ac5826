/* Says which allocators it finds, as programs do that have a use for one: by weak symbols and by dlsym. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

#define EACH(DO) DO(mallocx) DO(sdallocx) DO(je_malloc) DO(mi_malloc) DO(tc_malloc) DO(scalable_malloc) DO(GC_malloc)
#define DECLARE(name) extern void name(void) __attribute__((weak));
#define LOOK(name) printf(#name ": %s, %s\n", name ? "here" : "no", dlsym(RTLD_DEFAULT, #name) ? "here" : "no");
EACH(DECLARE)

int main(void) {
    EACH(LOOK)
    return 0;
}

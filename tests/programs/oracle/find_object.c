/* glibc's _dl_find_object for programs of musl, which link the libgcc that was built for glibc: it asks for nothing else of glibc
   but, on aarch64, what the processor can do. */
#define _GNU_SOURCE
#include <link.h>
#include <stdint.h>
#include <sys/auxv.h>

unsigned long __getauxval(unsigned long what) { return getauxval(what); }

/* struct dl_find_object, <dlfcn.h> of glibc 2.35. */
struct found {
    unsigned long long flags;
    void *map_start, *map_end, *link_map, *eh_frame;
    unsigned long long reserved[7];
};

struct wanted {
    uintptr_t pc;
    struct found *found;
};

static int look(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    struct wanted *wanted = data;
    int is_here = 0;
    uintptr_t eh_frame = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD && wanted->pc - start < header->p_memsz)
            is_here = 1;
        if (header->p_type == PT_GNU_EH_FRAME)
            eh_frame = start;
    }
    if (is_here && eh_frame)
        *wanted->found = (struct found){.eh_frame = (void *)eh_frame};
    return is_here ? 1 + (eh_frame == 0) : 0;
}

int _dl_find_object(void *pc, struct found *found) {
    struct wanted wanted = {(uintptr_t)pc, found};
    return dl_iterate_phdr(look, &wanted) == 1 ? 0 : -1;
}

/*
 * For libloam.a: the allocator of a sanitizer whose runtime is linked into the same program.  Its
 * names are weak, as are most of ours, and the linker takes the first of two weak ones.  So calloc
 * may be the sanitizer's and free ours, which then gets the sanitizer's blocks.
 */
#include "api/foreign.h"
#include "os/elf.h"
#include "os/libc.h"

#define WEAK __attribute__((weak))

WEAK void __interceptor_free(void *mem);
WEAK void *__interceptor_realloc(void *mem, size_t req);
WEAK size_t __interceptor_malloc_usable_size(void *mem);

extern HIDDEN const struct foreign_allocator foreign_linked;
const struct foreign_allocator foreign_linked = {
	.free = __interceptor_free,
	.realloc = __interceptor_realloc,
	.usable_size = __interceptor_malloc_usable_size,
};

/*
 * The process's function of this name, where loam is part of a plugin: the first in the order of
 * symbols, another loam's perhaps, since behind the plugin there is no allocator.  Nothing hands a
 * pointer back: libc's allocator, which hands on none, stands before the plugin.  NULL elsewhere.
 */
HIDDEN void *foreign_in_plugin(const char *name);
AT_START void *foreign_in_plugin(const char *name)
{
	const struct link_map *m = libc_is_before_loam() ? libc_link_maps() : NULL;
	struct elf_symbols s;
	uintptr_t address = 0;

	for (; m && !address; m = m->l_next) {
		elf_read(&s, m->l_addr, m->l_ld);
		address = elf_definition(&s, name);
	}
	return (void *)address;
}

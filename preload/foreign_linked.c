/*
 * For libloam.a: the allocator of a sanitizer whose runtime is linked into the same program.  Its
 * names are weak, as are most of ours, and the linker takes the first of two weak ones.  So calloc
 * may be the sanitizer's and free ours, which then gets the sanitizer's blocks.
 */
#include "api/foreign.h"

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

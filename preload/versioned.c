/*
 * Names that libc gives for one version alone, so does libloam.so: see exports.map.in.  Not in
 * libloam.a: libc.a has none of them either, or has those of C23, which call free.
 */
#include "base/compiler.h"

#include <loam/loam.h>

/* The next function is, outside this library, name of that version and nothing else. */
#define VERSIONED(function, name, version)                                                         \
	__asm__(".symver " #function "," #name "@" version ",remove")

PUBLIC void old_cfree(void *mem);
PUBLIC void *old_malloc_get_state(void);
PUBLIC int old_malloc_set_state(void *state);
PUBLIC void c23_free_sized(void *mem, size_t size);
PUBLIC void c23_free_aligned_sized(void *mem, size_t alignment, size_t size);

VERSIONED(old_cfree, cfree, OLDEST_GLIBC);
void old_cfree(void *mem)
{
	loam_cfree(mem);
}

VERSIONED(old_malloc_get_state, malloc_get_state, OLDEST_GLIBC);
void *old_malloc_get_state(void)
{
	return loam_malloc_get_state();
}

VERSIONED(old_malloc_set_state, malloc_set_state, OLDEST_GLIBC);
int old_malloc_set_state(void *state)
{
	return loam_malloc_set_state(state);
}

VERSIONED(c23_free_sized, free_sized, "GLIBC_2.43");
void c23_free_sized(void *mem, size_t size)
{
	loam_free_sized(mem, size);
}

VERSIONED(c23_free_aligned_sized, free_aligned_sized, "GLIBC_2.43");
void c23_free_aligned_sized(void *mem, size_t alignment, size_t size)
{
	loam_free_aligned_sized(mem, alignment, size);
}

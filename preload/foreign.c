/*
 * Finds the next allocator of the process, for pointers that are not ours: see
 * api/foreign.h.  The functions behind ours in the order of symbols are those
 * that the process would have had without us.  A static program has no others.
 * A plugin that libloam.a is part of has the functions of the process, and a
 * sanitizer's runtime that is linked into the program, as clang links it, is in
 * no such order: preload/foreign_linked.c finds both.
 */
#include "api/foreign.h"
#include "front.h"
#include "os/libc.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>

/* In libloam.a only; their addresses are NULL in libloam.so. */
extern HIDDEN const struct foreign_allocator foreign_linked __attribute__((weak));
HIDDEN void *foreign_in_plugin(const char *name) __attribute__((weak));

PUBLIC size_t __loam_malloc_usable_size(void *mem);

static void *(*find)(void *, const char *); /* libc's dlsym() */

/* The next function of this name, or NULL when there is none but ours. */
static AT_START void *next_of(const char *name, uintptr_t ours)
{
	void *next = foreign_in_plugin ? foreign_in_plugin(name) : NULL;

	if (!next)
		next = find(RTLD_NEXT, name);
	return (uintptr_t)next == ours ? NULL : next;
}

__attribute__((constructor(101))) static AT_START void find_next_allocator(void)
{
	if (&foreign_linked && foreign_linked.free) {
		foreign_next = foreign_linked;
		return;
	}
	libc_find(&find, "dlsym");
	if (!find)
		return;
	*(void **)&foreign_next.free = next_of("free", (uintptr_t)free_itself);
	*(void **)&foreign_next.realloc = next_of("realloc", (uintptr_t)realloc_itself);
	*(void **)&foreign_next.usable_size =
		next_of("malloc_usable_size", (uintptr_t)__loam_malloc_usable_size);
}

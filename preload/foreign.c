/*
 * Finds the next allocator of the process, for pointers that are not ours: see
 * api/foreign.h.  The functions behind ours in the order of symbols are those
 * that the process would have had without us.  A static program has no others.
 * A sanitizer's runtime that is linked into the program, as clang links it, is
 * in no such order: preload/foreign_linked.c has its functions.
 *
 * loam stands behind libc where a plugin has it, or where a library needs
 * libloam.so and the program does not.  The process's allocator is then the
 * first in the order, and gets these pointers.  A libloam.so that was opened by
 * dlopen() finds libc behind itself, and takes that.
 */
#include "api/foreign.h"
#include "front.h"
#include "os/libc.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>

/* In libloam.a only; its address is NULL in libloam.so. */
extern HIDDEN const struct foreign_allocator foreign_linked __attribute__((weak));

PUBLIC size_t __loam_malloc_usable_size(void *mem);

static void *(*find)(void *, const char *); /* libc's dlsym() */

/* The first function of this name; NULL where loam stands before libc. */
static AT_START void *first_of(const char *name)
{
	return libc_is_before_loam() ? (void *)libc_first_definition(name) : NULL;
}

/* The function of this name that gets pointers which are not ours; NULL if there is only ours.
   With libloam.a the first one where loam stands behind libc, else the next; with libloam.so the
   next, or the first where there is no next. */
static AT_START void *next_of(const char *name, uintptr_t ours)
{
	void *next = &foreign_linked ? first_of(name) : NULL;

	if (!next)
		next = find(RTLD_NEXT, name);
	if (!next)
		next = first_of(name);
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
	foreign_next.is_libc =
		foreign_next.free && (uintptr_t)foreign_next.free == libc_function("free");
}

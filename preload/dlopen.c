/*
 * RTLD_DEEPBIND binds a plugin to libc's malloc behind our back: its free then
 * gets our memory.  Here the flag is taken away, unless an option keeps it.
 * Not in libloam.a: in a static program it would take the place of libc's, and
 * there is no second allocator to bind to.  A dynamic program that is linked
 * with libloam.a must not open a plugin so that frees what is the program's.
 */
#include "dlopen.h"

#include "api/start.h"
#include "os/check.h"
#include "base/options.h"
#include "os/libc.h"
#include "os/line.h"

#include <dlfcn.h>

int dlopen_mask;
uintptr_t dlopen_next, dlmopen_next;

static void *unavailable(void)
{
	return NULL;
}

/* The next function of this name; where there is none, one that opens nothing. */
static uintptr_t next_of(const char *name, void *(*find)(void *, const char *))
{
	void *next = find ? find(RTLD_NEXT, name) : NULL;

	return next ? (uintptr_t)next : (uintptr_t)unavailable;
}

void dlopen_find(void)
{
	void *(*find)(void *, const char *);

	start();
	libc_find(&find, "dlsym");
	if (!find)
		line_say("dlopen: no library can be opened: loam needs glibc 2.34 or newer");
	dlopen_mask = options.keep_deepbind ? ~0 : ~RTLD_DEEPBIND;
	store_release(&dlmopen_next, next_of("dlmopen", find)); /* whoever sees it sees the mask */
	store_release(&dlopen_next, next_of("dlopen", find));
}

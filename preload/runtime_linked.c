/*
 * For libloam.a: what was linked with it calls its operators, and the C++ runtime was mostly linked
 * too.  A program in C may export them to its libraries in C++, though, and mold then leaves weak
 * references to the runtime of these at 0; see runtime.h.
 */
#include "runtime.h"

#include "os/libc.h"

#include <dlfcn.h>

void runtime_of(const void *caller)
{
	(void)caller;
}

uintptr_t runtime_find(const char *name)
{
	void *(*find)(void *, const char *);

	libc_find(&find, "dlsym");
	return find ? (uintptr_t)find(RTLD_DEFAULT, name) : 0;
}

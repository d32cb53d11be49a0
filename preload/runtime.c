/* For libloam.so; see runtime.h. */
#include "runtime.h"

#include <dlfcn.h>
#include <link.h>

/* To glibc, a library's link map is its handle.  It is there for as long as its code runs. */
static __thread void *library;

void runtime_of(const void *caller)
{
	Dl_info info;

	if (!dladdr1(caller, &info, &library, RTLD_DL_LINKMAP))
		library = NULL;
}

uintptr_t runtime_find(const char *name)
{
	return library ? (uintptr_t)dlsym(library, name) : 0;
}

/* For libloam.so; see runtime.h. */
#include "runtime.h"

#include "os/libc.h"

#include <dlfcn.h>
#include <link.h>

/* To glibc, a library's link map is its handle.  It is there for as long as its code runs. */
static __thread void *library;

void runtime_of(const void *caller)
{
	int (*find)(const void *, Dl_info *, void **, int);
	Dl_info info;

	libc_find(&find, "dladdr1");
	if (!find || !find(caller, &info, &library, RTLD_DL_LINKMAP))
		library = NULL;
}

uintptr_t runtime_find(const char *name)
{
	void *(*find)(void *, const char *);

	if (!library)
		return 0;
	libc_find(&find, "dlsym");
	return find ? (uintptr_t)find(library, name) : 0;
}

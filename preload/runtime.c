/* For libloam.so; see runtime.h. */
#include "runtime.h"

#include "os/libc.h"

#include <dlfcn.h>
#include <link.h>

/* To glibc, a library's link map is its handle.  It is there for as long as its code runs. */
static __thread void *library;

/* glibc makes the list that dlsym searches only for what is opened by its own name, not for what
   came along with that; and dlsym faults where there is none.  Opened so, the library keeps the
   list when it is closed. */
void runtime_of(const void *caller)
{
	int (*find)(const void *, Dl_info *, void **, int);
	void *(*open)(const char *, int);
	int (*close)(void *);
	struct link_map *map;
	Dl_info info;

	library = NULL;
	libc_find(&find, "dladdr1");
	libc_find(&open, "dlopen");
	libc_find(&close, "dlclose");
	if (!find || !open || !close || !find(caller, &info, (void **)&map, RTLD_DL_LINKMAP))
		return;
	if (!*map->l_name) { /* the program */
		library = map;
		return;
	}
	library = open(map->l_name, RTLD_LAZY | RTLD_NOLOAD);
	if (library)
		close(library);
}

uintptr_t runtime_find(const char *name)
{
	void *(*find)(void *, const char *);

	if (!library)
		return 0;
	libc_find(&find, "dlsym");
	return find ? (uintptr_t)find(library, name) : 0;
}

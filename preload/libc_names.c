/*
 * glibc's names for itself.  A program that wraps malloc calls them to get at the allocator behind
 * it, and gets loam's.
 *
 * glibc's own debugger of malloc (libc_malloc_debug.so.0: mtrace, mcheck, MALLOC_CHECK_) does so
 * too, but reads the headers of libc's chunks before what it gets.  Where it stands in front of
 * loam, loam stands aside: these are libc's own then, and nobody calls the rest.
 */
#include "libc_names.h"

#include "api/alloc.h"
#include "front.h"
#include "os/libc.h"

#include <loam/loam.h>

#define MEMBER(name) __typeof__(&loam_##name) name

SEALED static struct {
	bool found;
	MEMBER(malloc);
	MEMBER(free);
	MEMBER(calloc);
	MEMBER(realloc);
	MEMBER(memalign);
	MEMBER(valloc);
	MEMBER(pvalloc);
} libc;

#define FIND(name) libc_find(&libc.name, "__libc_" #name)

bool libc_names_stand_aside(void)
{
	FIND(malloc);
	FIND(free);
	FIND(calloc);
	FIND(realloc);
	FIND(memalign);
	FIND(valloc);
	FIND(pvalloc);
	libc.found = libc.malloc && libc.free && libc.calloc && libc.realloc && libc.memalign &&
		     libc.valloc && libc.pvalloc;
	return libc.found;
}

static bool aside(void)
{
	front_find();
	return UNLIKELY(libc.found);
}

PUBLIC void *__libc_malloc(size_t req);
PUBLIC void __libc_free(void *mem);
PUBLIC void *__libc_calloc(size_t count, size_t size);
PUBLIC void *__libc_realloc(void *mem, size_t req);
PUBLIC void *__libc_memalign(size_t alignment, size_t req);
PUBLIC void *__libc_valloc(size_t req);
PUBLIC void *__libc_pvalloc(size_t req);

void *__libc_malloc(size_t req)
{
	return aside() ? libc.malloc(req) : loam_malloc(req);
}

/* Who asks dlsym for malloc gets loam's, whatever stands in front. */
void __libc_free(void *mem)
{
	if (aside() && !loam_owns(mem))
		libc.free(mem);
	else
		loam_free(mem);
}

void *__libc_calloc(size_t count, size_t size)
{
	return aside() ? libc.calloc(count, size) : loam_calloc(count, size);
}

void *__libc_realloc(void *mem, size_t req)
{
	return aside() && !loam_owns(mem) ? libc.realloc(mem, req) : loam_realloc(mem, req);
}

void *__libc_memalign(size_t alignment, size_t req)
{
	return aside() ? libc.memalign(alignment, req) : loam_memalign(alignment, req);
}

void *__libc_valloc(size_t req)
{
	return aside() ? libc.valloc(req) : loam_valloc(req);
}

void *__libc_pvalloc(size_t req)
{
	return aside() ? libc.pvalloc(req) : loam_pvalloc(req);
}

/* See dlsym.h.  Not in libloam.a, as dlopen.c: a static program has no other allocator to find. */
#include "dlsym.h"

#include "arena/early.h"
#include "front.h"
#include "os/libc.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>

struct mallinfo __libc_mallinfo(void);

uintptr_t dlsym_next, dlvsym_next;

/* libc's functions, and those that dlsym returns instead.  Filled by code: a table of pointers
 * would be relocated in every process. */
static struct place {
	uintptr_t libc, answer;
} places[20];

static unsigned nplaces;

/* Of another allocator in front of loam, such as a second copy of it, the functions are the answer.
   A library that only wraps malloc defines no __libc_malloc: it would find itself. */
static COLD void add(unsigned *n, const char *name, void *own)
{
	uintptr_t libc = libc_function(name);
	uintptr_t first = front_definition_from("__libc_malloc", name);

	if (libc)
		places[(*n)++] = (struct place){libc, first ? first : (uintptr_t)own};
}

#define ADD(name) add(&n, #name, (void *)name)

/* free is cfree as well, and malloc __libc_malloc: what has one address is found by one name. */
static COLD void add_all(void)
{
	unsigned n = 0;

	ADD(malloc);
	ADD(free);
	ADD(calloc);
	ADD(realloc);
	ADD(reallocarray);
	ADD(memalign);
	ADD(aligned_alloc);
	ADD(posix_memalign);
	ADD(valloc);
	ADD(pvalloc);
	ADD(malloc_usable_size);
	add(&n, "mallinfo",
	    (void *)__libc_mallinfo); /* libc's header calls the other name deprecated */
	ADD(mallinfo2);
	ADD(mallopt);
	ADD(malloc_trim);
	ADD(malloc_stats);
	ADD(malloc_info);
	nplaces = n;
}

static void *in_place_of(void *found)
{
	for (unsigned i = 0; i < nplaces; i++)
		if (places[i].libc == (uintptr_t)found)
			return (void *)places[i].answer;
	return found;
}

static void *unavailable(void)
{
	return NULL;
}

/* Threads that come here at once find the same; whoever sees the next functions sees all of it. */
static COLD bool find(void)
{
	void *(*of_libc)(void *, const char *), *next, *next_versioned;

	if (!early_is_over())
		return false;
	libc_find(&of_libc, "dlsym");
	next = of_libc ? of_libc(RTLD_NEXT, "dlsym") : NULL;
	next_versioned = of_libc ? of_libc(RTLD_NEXT, "dlvsym") : NULL;
	if (!next || !next_versioned)
		return false;
	front_find();
	if (!front_is_debugger) /* which works on libc's heap */
		add_all();
	store_release(&dlvsym_next, (uintptr_t)next_versioned);
	store_release(&dlsym_next, (uintptr_t)next);
	return true;
}

uintptr_t dlsym_find(void)
{
	uintptr_t next = load_acquire(&dlsym_next);

	return next || find() ? dlsym_next : (uintptr_t)unavailable;
}

uintptr_t dlvsym_find(void)
{
	uintptr_t next = load_acquire(&dlvsym_next);

	return next || find() ? dlvsym_next : (uintptr_t)unavailable;
}

void *dlsym_of_handle(void *handle, const char *name)
{
	void *(*next)(void *, const char *) = (void *(*)(void *, const char *))dlsym_find();

	return in_place_of(next(handle, name));
}

void *dlvsym_of_handle(void *handle, const char *name, const char *version)
{
	void *(*next)(void *, const char *, const char *) =
		(void *(*)(void *, const char *, const char *))dlvsym_find();

	return in_place_of(next(handle, name, version));
}

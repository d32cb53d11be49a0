/* See front.h. */
#include "front.h"

#include "api/start.h"
#include "arena/early.h"
#include "os/line.h"
#include "libc_names.h"

#include <stdlib.h>

#define DEBUGGER "libc_malloc_debug.so.0"

SEALED struct front front;
SEALED bool front_has_operators;
SEALED bool front_found;
SEALED bool front_is_debugger;

/* A function that a program which is linked with libloam.a may replace: the linker has settled
 * that. */
#define REPLACEABLE_NAME(type, name, ...)                                                          \
	type name(__VA_ARGS__);                                                                    \
	PUBLIC type __loam_##name(__VA_ARGS__)

REPLACEABLE_NAME(void *, aligned_alloc, size_t, size_t);
REPLACEABLE_NAME(void *, _Znwm, size_t);
REPLACEABLE_NAME(void *, _Znam, size_t);
REPLACEABLE_NAME(void *, _ZnwmSt11align_val_t, size_t, size_t);
REPLACEABLE_NAME(void *, _ZnamSt11align_val_t, size_t, size_t);
REPLACEABLE_NAME(void, _ZdlPv, void *);
REPLACEABLE_NAME(void, _ZdaPv, void *);
REPLACEABLE_NAME(void, _ZdlPvSt11align_val_t, void *, size_t);
REPLACEABLE_NAME(void, _ZdaPvSt11align_val_t, void *, size_t);

static AT_START uintptr_t in_front(const char *name, uintptr_t linked, uintptr_t own)
{
	IN_REGISTER(own); /* a compiler may take two names for two functions */
	return linked == own ? front_definition(name) : linked;
}

/* Fills a member; true when there is such a function. */
#define FIND_BESIDE(member, name, own)                                                             \
	((*(uintptr_t *)&front.member = in_front(#name, (uintptr_t)name, (uintptr_t)own)) != 0)
#define FIND(member, name) FIND_BESIDE(member, name, __loam_##name)

static AT_START bool find_allocator(void)
{
	bool found = FIND(aligned_alloc, aligned_alloc);

	found |= FIND_BESIDE(malloc, malloc, malloc_itself);
	found |= FIND_BESIDE(free, free, free_itself);
	(void)FIND_BESIDE(realloc, realloc, realloc_itself); /* no operator calls it */
	return found;
}

static AT_START bool find_operators(void)
{
	bool found = FIND(new_one, _Znwm);

	found |= FIND(new_array, _Znam);
	found |= FIND(new_one_aligned, _ZnwmSt11align_val_t);
	found |= FIND(new_array_aligned, _ZnamSt11align_val_t);
	found |= FIND(delete_one, _ZdlPv);
	found |= FIND(delete_array, _ZdaPv);
	found |= FIND(delete_one_aligned, _ZdlPvSt11align_val_t);
	found |= FIND(delete_array_aligned, _ZdaPvSt11align_val_t);
	return found;
}

/* Not silently: its user asked for loam. */
static COLD void stand_aside(void)
{
	if (libc_names_stand_aside())
		line_say(DEBUGGER " is preloaded before loam, and works with libc's malloc alone: "
				  "loam serves nothing here; preload one of the two");
}

AT_START bool front_find(void)
{
	if (!early_is_over())
		return false;
	if (!front_found) {
		front_has_operators = find_allocator();
		front_has_operators |= find_operators();
		front_found = true;
		if (!front_has_operators)
			cache_open_operators();
		front_is_debugger = front_has_object(DEBUGGER);
		if (front_is_debugger)
			stand_aside();
	}
	return true;
}

bool front_is_malloc(void)
{
	uintptr_t own = (uintptr_t)malloc_itself;

	IN_REGISTER(own); /* a compiler may take two names for two functions */
	return front_find() && !front.malloc && (uintptr_t)malloc == own && front_is_seen(own);
}

/* Before what is constant is sealed; operators may be called before this. */
__attribute__((constructor(101))) static AT_START void find_at_start(void)
{
	front_find();
}

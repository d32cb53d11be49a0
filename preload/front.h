/*
 * What stands in front of loam in the order of symbols: functions of the program, or of a preload
 * that comes first, under the names of loam's.  The process calls those; and so does loam where
 * libc and libstdc++ call such a function by its name, which lets a program replace one and have
 * the others follow: new[] calls new, new calls malloc, reallocarray calls realloc.
 */
#pragma once

#include "cache/cache.h"

/* Each is NULL when the process's function is loam's own. */
struct front {
	void *(*malloc)(size_t req);
	void *(*realloc)(void *mem, size_t req);
	void *(*aligned_alloc)(size_t alignment, size_t req);
	void (*free)(void *mem);

	/* operator new, operator delete; _array: new[], delete[] */
	void *(*new_one)(size_t req);
	void *(*new_array)(size_t req);
	void *(*new_one_aligned)(size_t req, size_t alignment);
	void *(*new_array_aligned)(size_t req, size_t alignment);
	void (*delete_one)(void *mem);
	void (*delete_array)(void *mem);
	void (*delete_one_aligned)(void *mem, size_t alignment);
	void (*delete_array_aligned)(void *mem, size_t alignment);
};

/* Constant before main. */
extern HIDDEN struct front front;

/* Whether any of it concerns an operator. */
extern HIDDEN bool front_has_operators;

extern HIDDEN bool front_found;

/* Whether glibc's own debugger of malloc is in front: loam stands aside then (libc_names.c). */
extern HIDDEN bool front_is_debugger;

/* Fills the table; false, and nothing done, before loam is relocated. */
HIDDEN bool front_find(void);

/* loam's own: the names themselves lead to the process's, where libloam.a is part of a library. */
HIDDEN void *malloc_itself(size_t req);
HIDDEN void *realloc_itself(void *mem, size_t req);
HIDDEN void free_itself(void *mem);

/* Where the slow path of an operator begins: then the table is true, and the operators' door is
   open in this thread if the fast path may be theirs. */
ALWAYS_INLINE void front_look(void)
{
	if (UNLIKELY(!front_found) && !front_find())
		return;
	if (UNLIKELY(mine.operators.fast != mine.libc.fast) && !front_has_operators)
		cache_open_operators();
}

/* The first definition of a name before loam in the order of symbols, whatever its version; 0
   without one, and in libloam.a. */
HIDDEN AT_START uintptr_t front_definition(const char *name);

/* The same, from the first object on that defines `allocator`. In libloam.so only. */
HIDDEN COLD uintptr_t front_definition_from(const char *allocator, const char *name);

/* Whether loam's malloc is what others see under that name, where nothing is before it. Prints a
   line in a program where it is not. */
HIDDEN AT_START bool front_is_seen(uintptr_t own);

/* Whether an object of that name (its soname) is before loam. */
HIDDEN AT_START bool front_has_object(const char *soname);

/*
 * A second name of a function that a program may replace, by which loam's own is found where the
 * first is the program's.  It is global: in libloam.a the first is weak, and valgrind takes a
 * function with weak names alone for no malloc.
 */
#define ITSELF(name) PUBLIC extern __typeof__(name) __loam_##name __attribute__((alias(#name)))

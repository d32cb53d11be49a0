/*
 * The operators delete of C++; see operators_new.c.  The pointer comes first in all of them, and
 * says everything; where a size follows, it can be checked.
 */
#include "api/alloc.h"
#include "api/sizes.h"
#include "front.h"

/* False: there is no such function. */
static inline bool is_freed_by(void (*function)(void *mem), void *mem)
{
	if (!function)
		return false;
	function(mem);
	return true;
}

static inline bool is_freed_aligned_by(void (*function)(void *mem, size_t alignment), void *mem,
				       size_t alignment)
{
	if (!function)
		return false;
	function(mem, alignment);
	return true;
}

/* --- where the fast path gave up: what is in front, first ----------------------------------------
 */

static NOINLINE void one_slow(void *mem)
{
	front_look();
	if (LIKELY(!is_freed_by(front.free, mem)))
		free_slow(mem);
}

static NOINLINE void array_slow(void *mem)
{
	front_look();
	if (LIKELY(!is_freed_by(front.delete_one, mem)))
		one_slow(mem);
}

static NOINLINE void sized_array_slow(void *mem)
{
	front_look();
	if (LIKELY(!is_freed_by(front.delete_array, mem)))
		array_slow(mem);
}

/* Fences are for objects of loam's operators: of others no size is known. */
static COLD void sized_fenced(void *mem, size_t size, void (*slow)(void *mem))
{
	front_look();
	if (front_has_operators)
		slow(mem);
	else
		free_exact(mem, size, "operator delete");
}

ALWAYS_INLINE void delete_inline(void *mem, void (*slow)(void *mem))
{
	fast_free(&mine.operators, mem, free_closed, free_full, slow);
}

ALWAYS_INLINE void delete_sized(void *mem, size_t size, void (*slow)(void *mem))
{
	if (UNLIKELY(load_hot(&fences)))
		sized_fenced(mem, size, slow);
	else
		delete_inline(mem, slow);
}

/* --- the operators --------------------------------------------------------------------------- */

PUBLIC void _ZdlPv(void *mem);
PUBLIC void _ZdaPv(void *mem);
PUBLIC void _ZdlPvm(void *mem, size_t size);
PUBLIC void _ZdaPvm(void *mem, size_t size);

PUBLIC void _ZdlPv(void *mem)
{
	delete_inline(mem, one_slow);
}

PUBLIC void _ZdaPv(void *mem)
{
	delete_inline(mem, array_slow);
}

/* Without a size, an array is to libstdc++ what one object is with a size. */
PUBLIC void _ZdlPvm(void *mem, size_t size)
{
	delete_sized(mem, size, array_slow);
}

PUBLIC void _ZdaPvm(void *mem, size_t size)
{
	delete_sized(mem, size, sized_array_slow);
}

/* For constructors that throw. */

PUBLIC void _ZdlPvRKSt9nothrow_t(void *mem, const void *tag);
PUBLIC void _ZdaPvRKSt9nothrow_t(void *mem, const void *tag);
PUBLIC void _ZdlPvmRKSt9nothrow_t(void *mem, size_t size,
				  const void *tag); /* C++14 alone has these two */
PUBLIC void _ZdaPvmRKSt9nothrow_t(void *mem, size_t size, const void *tag);

PUBLIC void _ZdlPvRKSt9nothrow_t(void *mem, const void *tag)
{
	(void)tag;
	delete_inline(mem, array_slow);
}

PUBLIC void _ZdaPvRKSt9nothrow_t(void *mem, const void *tag)
{
	(void)tag;
	delete_inline(mem, sized_array_slow);
}

PUBLIC void _ZdlPvmRKSt9nothrow_t(void *mem, size_t size, const void *tag)
{
	(void)tag;
	delete_sized(mem, size, array_slow);
}

PUBLIC void _ZdaPvmRKSt9nothrow_t(void *mem, size_t size, const void *tag)
{
	(void)tag;
	delete_sized(mem, size, sized_array_slow);
}

/* With an alignment: no slow path can be given it, so what is in front is looked at first. */

static bool one_in_front(void *mem)
{
	front_look();
	return front_has_operators && is_freed_by(front.free, mem);
}

static bool array_in_front(void *mem, size_t alignment)
{
	front_look();
	return front_has_operators &&
	       (is_freed_aligned_by(front.delete_one_aligned, mem, alignment) ||
		is_freed_by(front.free, mem));
}

static bool sized_array_in_front(void *mem, size_t alignment)
{
	front_look();
	return front_has_operators &&
	       (is_freed_aligned_by(front.delete_array_aligned, mem, alignment) ||
		array_in_front(mem, alignment));
}

static inline void free_of_size(void *mem, size_t size)
{
	if (UNLIKELY(load_hot(&fences)))
		free_exact(mem, size, "operator delete");
	else
		free_inline(mem);
}

PUBLIC void _ZdlPvSt11align_val_t(void *mem, size_t alignment);
PUBLIC void _ZdaPvSt11align_val_t(void *mem, size_t alignment);
PUBLIC void _ZdlPvmSt11align_val_t(void *mem, size_t size, size_t alignment);
PUBLIC void _ZdaPvmSt11align_val_t(void *mem, size_t size, size_t alignment);
PUBLIC void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *mem, size_t alignment, const void *tag);
PUBLIC void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *mem, size_t alignment, const void *tag);

PUBLIC void _ZdlPvSt11align_val_t(void *mem, size_t alignment)
{
	(void)alignment;
	if (LIKELY(!one_in_front(mem)))
		free_inline(mem);
}

PUBLIC void _ZdaPvSt11align_val_t(void *mem, size_t alignment)
{
	if (LIKELY(!array_in_front(mem, alignment)))
		free_inline(mem);
}

PUBLIC void _ZdlPvmSt11align_val_t(void *mem, size_t size, size_t alignment)
{
	if (LIKELY(!array_in_front(mem, alignment)))
		free_of_size(mem, size);
}

PUBLIC void _ZdaPvmSt11align_val_t(void *mem, size_t size, size_t alignment)
{
	if (LIKELY(!sized_array_in_front(mem, alignment)))
		free_of_size(mem, size);
}

PUBLIC void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *mem, size_t alignment, const void *tag)
{
	(void)tag;
	if (LIKELY(!array_in_front(mem, alignment)))
		free_inline(mem);
}

PUBLIC void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *mem, size_t alignment, const void *tag)
{
	(void)tag;
	if (LIKELY(!sized_array_in_front(mem, alignment)))
		free_inline(mem);
}

ITSELF(_ZdlPv);
ITSELF(_ZdaPv);
ITSELF(_ZdlPvm);
ITSELF(_ZdaPvm);
ITSELF(_ZdlPvRKSt9nothrow_t);
ITSELF(_ZdaPvRKSt9nothrow_t);
ITSELF(_ZdlPvmRKSt9nothrow_t);
ITSELF(_ZdaPvmRKSt9nothrow_t);
ITSELF(_ZdlPvSt11align_val_t);
ITSELF(_ZdaPvSt11align_val_t);
ITSELF(_ZdlPvmSt11align_val_t);
ITSELF(_ZdaPvmSt11align_val_t);
ITSELF(_ZdlPvSt11align_val_tRKSt9nothrow_t);
ITSELF(_ZdaPvSt11align_val_tRKSt9nothrow_t);

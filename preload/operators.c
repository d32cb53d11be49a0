/*
 * The operators of C++, under the names that compilers give them.  They are
 * written in C, so that a C program gets no C++ runtime from us; what they need
 * of one when memory runs out they have by weak references, or look it up then.
 */
#include "api/alloc.h"
#include "base/bits.h"
#include "base/report.h"
#include "catch.h"
#include "os/os.h"
#include "runtime.h"

#include <loam/loam.h>

WEAK void (*_ZSt15get_new_handlerv(void))(void);
WEAK void *__cxa_allocate_exception(size_t nbytes);
WEAK _Noreturn void __cxa_throw(void *exception, const void *type, void (*destroy)(void *));
WEAK void _ZNSt9bad_allocD1Ev(void *bad_alloc);
extern WEAK const char _ZTISt9bad_alloc;	  /* its type_info */
extern WEAK const void *const _ZTVSt9bad_alloc[]; /* its vtable: offset, type_info, functions */

static _Noreturn void throw_bad_alloc(size_t req)
{
	void *bad_alloc;

	if (!RUNTIME(__cxa_throw)) {
		report_line("operator new: no memory for %zu bytes, and no C++ runtime to say so",
			    req);
		os_abort();
	}
	bad_alloc = RUNTIME(__cxa_allocate_exception)(sizeof(void *));
	*(const void *const **)bad_alloc = *RUNTIME(_ZTVSt9bad_alloc) + 2;
	RUNTIME(__cxa_throw)(bad_alloc, RUNTIME(_ZTISt9bad_alloc), RUNTIME(_ZNSt9bad_allocD1Ev));
	__builtin_unreachable();
}

/*
 * After a failure: asks the new_handler to make room, and tries again, for as
 * long as there is one.  What the handler throws arrives at the caller of an
 * operator that throws; of the others, it ends the attempt.
 */
static COLD void *ask_for_room(size_t alignment, size_t req, bool throws, const void *caller)
{
	void (*handler)(void) = NULL;
	void *mem = NULL;

	runtime_of(caller);
	while (!mem && is_power_of_two(alignment)) {
		if (RUNTIME(_ZSt15get_new_handlerv))
			handler = RUNTIME(_ZSt15get_new_handlerv)();
		if (!handler)
			break;
		if (throws)
			handler();
		else if (!call_and_catch(handler))
			return NULL;
		mem = loam_aligned_alloc(alignment, req);
	}
	if (!mem && throws)
		throw_bad_alloc(req);
	return mem;
}

static NOINLINE void *new_slow(size_t req, bool throws, const void *caller)
{
	void *mem = malloc_slow(req);

	return LIKELY(mem) ? mem : ask_for_room(GRANULE, req, throws, caller);
}

static inline void *give_up(size_t req)
{
	(void)req;
	return NULL;
}

/* The slow path is a tail call here too, so that the hot one needs no frame. */
ALWAYS_INLINE void *new_inline(size_t req, bool throws, const void *caller)
{
	void *mem = arena_malloc(req, malloc_counted, give_up);

	return LIKELY(mem) ? mem : new_slow(req, throws, caller);
}

ALWAYS_INLINE void *new_aligned(size_t alignment, size_t req, bool throws, const void *caller)
{
	void *mem = loam_aligned_alloc(alignment, req);

	return LIKELY(mem) ? mem : ask_for_room(alignment, req, throws, caller);
}

/* new: arrays are objects like others.  tag is std::nothrow, which has nothing to say. */

#define SAME_AS(name) REPLACEABLE __attribute__((alias(#name)))
#define CALLER	      __builtin_return_address(0)

REPLACEABLE void *_Znwm(size_t req);
REPLACEABLE void *_ZnwmRKSt9nothrow_t(size_t req, const void *tag);
REPLACEABLE void *_ZnwmSt11align_val_t(size_t req, size_t alignment);
REPLACEABLE void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t req, size_t alignment, const void *tag);

REPLACEABLE void *_Znwm(size_t req)
{
	return new_inline(req, true, CALLER);
}

REPLACEABLE void *_ZnwmRKSt9nothrow_t(size_t req, const void *tag)
{
	(void)tag;
	return new_inline(req, false, CALLER);
}

REPLACEABLE void *_ZnwmSt11align_val_t(size_t req, size_t alignment)
{
	return new_aligned(alignment, req, true, CALLER);
}

REPLACEABLE void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t req, size_t alignment, const void *tag)
{
	(void)tag;
	return new_aligned(alignment, req, false, CALLER);
}

SAME_AS(_Znwm) void *_Znam(size_t req);
SAME_AS(_ZnwmRKSt9nothrow_t) void *_ZnamRKSt9nothrow_t(size_t req, const void *tag);
SAME_AS(_ZnwmSt11align_val_t) void *_ZnamSt11align_val_t(size_t req, size_t alignment);
SAME_AS(_ZnwmSt11align_val_tRKSt9nothrow_t)
void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t req, size_t alignment, const void *tag);

/* delete: the pointer comes first in all of them, and says everything; where a size follows, it can be
   checked. */

REPLACEABLE void _ZdlPv(void *mem);
REPLACEABLE void _ZdlPvm(void *mem, size_t size);

REPLACEABLE void _ZdlPv(void *mem)
{
	free_inline(mem);
}

REPLACEABLE void _ZdlPvm(void *mem, size_t size)
{
	if (UNLIKELY(load_hot(&fences)))
		free_fenced(mem, size, "operator delete");
	else
		free_inline(mem);
}

SAME_AS(_ZdlPv) void _ZdaPv(void *mem);
SAME_AS(_ZdlPvm) void _ZdaPvm(void *mem, size_t size);
SAME_AS(_ZdlPv) void _ZdlPvRKSt9nothrow_t(void *mem);
SAME_AS(_ZdlPv) void _ZdaPvRKSt9nothrow_t(void *mem);
SAME_AS(_ZdlPvm) void _ZdlPvmRKSt9nothrow_t(void *mem, size_t size); /* C++14 has these two alone */
SAME_AS(_ZdlPvm) void _ZdaPvmRKSt9nothrow_t(void *mem, size_t size);
SAME_AS(_ZdlPv) void _ZdlPvSt11align_val_t(void *mem);
SAME_AS(_ZdlPv) void _ZdaPvSt11align_val_t(void *mem);
SAME_AS(_ZdlPvm) void _ZdlPvmSt11align_val_t(void *mem, size_t size);
SAME_AS(_ZdlPvm) void _ZdaPvmSt11align_val_t(void *mem, size_t size);
SAME_AS(_ZdlPv) void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *mem);
SAME_AS(_ZdlPv) void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *mem);

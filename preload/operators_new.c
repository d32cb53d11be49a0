/*
 * The operators new of C++, under the names that compilers give them.  They are
 * written in C, so that a C program gets no C++ runtime from us; what they need
 * of one when memory runs out they have by weak references, or look it up then.
 *
 * A program may replace one of them, or malloc: the others call that one then, as
 * those of libstdc++ do (front.h).  Where it replaces none, new is malloc's fast path.
 */
#include "api/alloc.h"
#include "base/bits.h"
#include "os/line.h"
#include "catch.h"
#include "front.h"
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
		line_say("operator new: no memory for %zu bytes, and no C++ runtime to say so",
			 req);
		os_abort();
	}
	bad_alloc = RUNTIME(__cxa_allocate_exception)(sizeof(void *));
	*(const void *const **)bad_alloc = *RUNTIME(_ZTVSt9bad_alloc) + 2;
	RUNTIME(__cxa_throw)(bad_alloc, RUNTIME(_ZTISt9bad_alloc), RUNTIME(_ZNSt9bad_allocD1Ev));
	__builtin_unreachable();
}

/* --- from where -------------------------------------------------------------------------- */

/* loam's malloc for a request that the fast path refused, and has counted for a profile,
   unless the program has an operator, malloc or aligned_alloc of its own. */
static void *malloc_refused(size_t req)
{
	return front_has_operators ? loam_malloc(req) : malloc_slow(req);
}

/* What the process has for new when nothing that is called operator is in front; alignment 0 is
   malloc's.  NULL without memory. */
static void *allocate(size_t alignment, size_t req)
{
	size_t nbytes = req ? req : 1;

	if (!alignment)
		return front.malloc ? front.malloc(nbytes) : malloc_refused(req);
	if (!front.aligned_alloc)
		return loam_aligned_alloc(alignment, req);
	if (!is_power_of_two(alignment) || nbytes > SIZE_MAX - alignment)
		return NULL;
	return front.aligned_alloc(alignment, align_up(nbytes, alignment));
}

static void call_handler(void *handler)
{
	(*(void (**)(void))handler)();
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

	if (!&__cxa_throw) /* else all names are bound */
		runtime_of(caller);
	while (!mem && (!alignment || is_power_of_two(alignment))) {
		if (RUNTIME(_ZSt15get_new_handlerv))
			handler = RUNTIME(_ZSt15get_new_handlerv)();
		if (!handler)
			break;
		if (throws)
			handler();
		else if (!call_and_catch(call_handler, &handler))
			return NULL;
		mem = allocate(alignment, req);
	}
	if (!mem && throws)
		throw_bad_alloc(req);
	return mem;
}

static NOINLINE void *new_here(size_t alignment, size_t req, bool throws, const void *caller)
{
	void *mem = allocate(alignment, req);

	return LIKELY(mem) ? mem : ask_for_room(alignment, req, throws, caller);
}

/* A call of the program's operator new, which throws, for one that does not. */
struct quiet_call {
	void *(*plain)(size_t req); /* or NULL, then: */
	void *(*aligned)(size_t req, size_t alignment);
	size_t req, alignment;
	void *result;
};

static void make_call(void *arg)
{
	struct quiet_call *c = arg;

	c->result = c->plain ? c->plain(c->req) : c->aligned(c->req, c->alignment);
}

static COLD void *call_quietly(struct quiet_call c)
{
	return call_and_catch(make_call, &c) ? c.result : NULL;
}

/* --- where the fast path gave up -------------------------------------------------------------- */

static NOINLINE void *one_slow(size_t req, const void *caller)
{
	front_look();
	return new_here(0, req, true, caller);
}

static NOINLINE void *array_slow(size_t req, const void *caller)
{
	front_look();
	return UNLIKELY(front.new_one) ? front.new_one(req) : new_here(0, req, true, caller);
}

static NOINLINE void *one_nothrow_slow(size_t req, const void *caller)
{
	front_look();
	if (UNLIKELY(front.new_one))
		return call_quietly((struct quiet_call){.plain = front.new_one, .req = req});
	return new_here(0, req, false, caller);
}

static NOINLINE void *array_nothrow_slow(size_t req, const void *caller)
{
	front_look();
	if (UNLIKELY(front.new_array))
		return call_quietly((struct quiet_call){.plain = front.new_array, .req = req});
	return one_nothrow_slow(req, caller);
}

static void *give_up(size_t req)
{
	(void)req;
	return NULL;
}

/* The slow path is a tail call here too, so that the hot one needs no frame. */
ALWAYS_INLINE void *new_inline(size_t req, const void *caller,
			       void *(*slow)(size_t req, const void *caller))
{
	void *mem = fast_malloc(&mine.operators, req, &front_has_operators, give_up);

	return LIKELY(mem) ? mem : slow(req, caller);
}

/* --- the operators: arrays are objects like others; tag is std::nothrow, which has nothing to say
 * --- */

#define CALLER __builtin_return_address(0)

PUBLIC void *_Znwm(size_t req);
PUBLIC void *_Znam(size_t req);
PUBLIC void *_ZnwmRKSt9nothrow_t(size_t req, const void *tag);
PUBLIC void *_ZnamRKSt9nothrow_t(size_t req, const void *tag);
PUBLIC void *_ZnwmSt11align_val_t(size_t req, size_t alignment);
PUBLIC void *_ZnamSt11align_val_t(size_t req, size_t alignment);
PUBLIC void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t req, size_t alignment, const void *tag);
PUBLIC void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t req, size_t alignment, const void *tag);

PUBLIC void *_Znwm(size_t req)
{
	return new_inline(req, CALLER, one_slow);
}

PUBLIC void *_Znam(size_t req)
{
	return new_inline(req, CALLER, array_slow);
}

PUBLIC void *_ZnwmRKSt9nothrow_t(size_t req, const void *tag)
{
	(void)tag;
	return new_inline(req, CALLER, one_nothrow_slow);
}

PUBLIC void *_ZnamRKSt9nothrow_t(size_t req, const void *tag)
{
	(void)tag;
	return new_inline(req, CALLER, array_nothrow_slow);
}

PUBLIC void *_ZnwmSt11align_val_t(size_t req, size_t alignment)
{
	front_look();
	return new_here(alignment, req, true, CALLER);
}

PUBLIC void *_ZnamSt11align_val_t(size_t req, size_t alignment)
{
	front_look();
	return UNLIKELY(front.new_one_aligned) ? front.new_one_aligned(req, alignment)
					       : new_here(alignment, req, true, CALLER);
}

static void *aligned_nothrow(size_t req, size_t alignment,
			     void *(*operator)(size_t req, size_t alignment), const void *caller)
{
	if (UNLIKELY(operator))
		return call_quietly((struct quiet_call){
			.aligned = operator, .req = req, .alignment = alignment});
	return new_here(alignment, req, false, caller);
}

PUBLIC void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t req, size_t alignment, const void *tag)
{
	(void)tag;
	front_look();
	return aligned_nothrow(req, alignment, front.new_one_aligned, CALLER);
}

PUBLIC void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t req, size_t alignment, const void *tag)
{
	(void)tag;
	front_look();
	return aligned_nothrow(
		req, alignment,
		front.new_array_aligned ? front.new_array_aligned : front.new_one_aligned, CALLER);
}

ITSELF(_Znwm);
ITSELF(_Znam);
ITSELF(_ZnwmRKSt9nothrow_t);
ITSELF(_ZnamRKSt9nothrow_t);
ITSELF(_ZnwmSt11align_val_t);
ITSELF(_ZnamSt11align_val_t);
ITSELF(_ZnwmSt11align_val_tRKSt9nothrow_t);
ITSELF(_ZnamSt11align_val_tRKSt9nothrow_t);

/*
 * Deferred frees: objects that a signal handler freed after it had interrupted its thread inside
 * loam, when it may touch nothing. They wait in one list for the process, until the next slow free
 * of any thread frees them. Links lie in the objects and are encoded, since the program may
 * overwrite them.
 *
 * Locking: none; compare-exchange to add, exchange to take all.
 */
#pragma once

#include "base/bits.h"
#include "slab/slab.h"

/* Adds an object of any kind and arena. It then bears a mark: an object of a slab that of a free
   object, another one the mark that deferred_has() looks for. */
COLD void deferred_add(void *mem, bool is_of_slab);

/* The newest one; NULL: there is none. */
extern HIDDEN struct object *deferred_first;

static inline uint64_t deferred_mark(const struct object *o)
{
	return ~slab_mark(o);
}

/* Whether an object is one, as its mark says; only of kinds other than a slab's, whose free objects
   bear a mark of their own. False if misaligned: the mark may then lie behind the heap. */
static inline bool deferred_has(const struct object *o)
{
	return LIKELY(is_aligned((uintptr_t)o, GRANULE)) && UNLIKELY(o->key == deferred_mark(o));
}

/* Takes all of them out; returns the first one, or NULL. */
struct object *deferred_take(void);

/* The object after o in that list, or NULL. o then bears no mark, and can be freed. */
struct object *deferred_next(struct object *o);

/*
 * Fences: what lies behind every object under harden=2 and 3.
 *
 *	mem            size                 usable - 8    usable
 *	 | the program's | fence: known bytes | trailer    |  guard page (pages, harden=3)
 *
 * An object is asked of the arena with room for fence and trailer.  The trailer holds the size
 * that the program asked for, encoded with the address and a secret; from it free() finds where the
 * fence begins, and that nothing was written there.  Then the object is wiped, and the trailer says
 * that it is free.  It goes into quarantine, and to the arena when it has been there long enough,
 * if it is still as it was wiped: else somebody wrote to it after free().  In a slab, free() looks
 * at the trailer of the object before it, too: that is where a write before an object goes.
 *
 *	in use        trailer = size, encoded         fence as it was laid
 *	quarantined   trailer = free, encoded         all else zero; whole pages but the last
 *	                                              inaccessible (harden=3)
 *	free          the arena's                     of a slab: all but its link zero
 *
 * So the last state is checked as well where slabs hand out what they hold, which under these
 * levels is nearly all: every class is promoted at once, and slabs are made of cleared pages.
 *
 * What the program may use of an object is what it asked for, exactly.  Every allocation and every
 * free takes the slow path.
 *
 * Locking: none of its own; an object is the caller's.
 */
#pragma once

#include "pages/pagemap.h"

/* Whether objects have fences; written once, at start. */
extern HIDDEN bool fences;

/* From now on all objects have fences; with guard pages behind runs, huge objects and slabs, which
   then lie where chance puts them. */
COLD void fence_start(uint64_t secret, bool guard_pages);

/* An object of req bytes at a multiple of alignment; NULL without memory.  *zero as in
 * cache_alloc(). */
void *fence_alloc(size_t alignment, size_t req, bool *zero);

/* The size of an object; tag is that of its page.  Reports what is no object, or has a broken
   fence, in the name of call; SIZE_MAX, if the program goes on after that. */
size_t fence_size(const void *mem, struct descriptor *tag, const char *call);

/* Into quarantine.  Reports what fence_size() does. */
void fence_free(void *mem, struct descriptor *tag, const char *call);

/* Whether an object of nbytes in all, guard page included, was freed: it is quarantined, or its
   free waits. False where objects have no fences. */
COLD bool fence_is_freed(const void *mem, const struct descriptor *tag, size_t nbytes);

/* All that is quarantined goes to the arena; the bytes. */
size_t fence_flush(void);

/*
 * The table of huge objects: those in use, and freed mappings that are kept, with their sums.
 *
 * Locking: the huge lock is held around every call, but in the child of a fork.
 */
#pragma once

#include "base/compiler.h"
#include "os/check.h"
#include "os/steps.h"
#include "pages/huge.h"
#include "pages/metadata.h"
#include "pages/retain.h"

#define HUGE_LOOKS 64 /* how many kept mappings are looked at */

struct huge_table {
	struct link in_use;
	struct link kept, purged; /* freed, dirty or not; the oldest is last */
	struct huge_sizes sizes;  /* G2 */
	size_t rooms;		  /* G2: the part of sizes.kept that lies behind objects in use */
	size_t unneeded;	  /* of sizes.kept: is to be purged; read without the lock */
};

extern HIDDEN struct huge_table huge_table;
extern HIDDEN struct pool huge_pool; /* of descriptors */

static inline struct huge *huge_of_link(struct link *l)
{
	return container_of(l, struct huge, link);
}

static inline void huge_count_use(intptr_t objects, intptr_t nbytes)
{
	struct huge_sizes *s = &huge_table.sizes;

	ASSERT(lock_held(&huge_lock) && (nbytes >= 0 || s->nbytes >= (size_t)-nbytes));
	s->count += (size_t)objects;
	retain_with(retain_add_live, &s->nbytes, nbytes);
	if (s->count > s->most_count)
		s->most_count = s->count;
	if (s->nbytes > s->most_nbytes)
		s->most_nbytes = s->nbytes;
}

static inline void huge_count_kept(intptr_t nbytes)
{
	ASSERT(lock_held(&huge_lock) && (nbytes >= 0 || huge_table.sizes.kept >= (size_t)-nbytes));
	retain_with(retain_add, &huge_table.sizes.kept, nbytes);
}

static inline void huge_count_rooms(intptr_t nbytes)
{
	huge_table.rooms += (size_t)nbytes;
	huge_count_kept(nbytes);
}

/* Keeps a mapping that is on no list, joined with its neighbours. */
void huge_list_kept(struct huge *h);

/* Keeps one without joining it, so that it can be unmapped whole later. */
void huge_list_alone(struct huge *h);

/* Lists one that was taken off as the one that is purged next. */
void huge_list_oldest(struct huge *h);

/* Takes a kept one off the list. */
ALWAYS_INLINE void huge_unlist_kept(struct huge *h)
{
	ASSERT(h->nbytes == h->dirty && !pagemap_get(h->mem)); /* G3 */
	list_remove(&h->link);
	huge_count_kept(-(intptr_t)h->dirty);
}

/* Takes a mapping, which is on no list, into use; its memory. */
void *huge_enter_use(struct huge *h);

/* Takes it out of use: nobody finds it, nor purges what is behind it. */
void huge_leave_use(struct huge *h);

/* All objects, now and then (os/steps.h); the lock was released just now. */
static inline bool huge_check_step(void)
{
	static uint32_t left;

	return !step_is_due(&left, load_relaxed(&huge_table.sizes.count) * 4) || huge_check();
}

/* Releases the lock after a change. */
static inline void huge_unlock(void)
{
	if (huge_table.sizes.kept < huge_table.sizes.kept_least)
		huge_table.sizes.kept_least = huge_table.sizes.kept;
	lock_release(&huge_lock);
	ASSERT_SLOW(huge_check_step());
}

/*
 * Huge objects: those with a mapping of their own, over 4 MiB.
 *
 * Only the first page is tagged, since a tag a page would cost 2 MiB a GiB; a wrong pointer further
 * in is found by the table.  Freed mappings are kept under the rule of retain.h, and become one
 * where they lie side by side.  A request takes the smallest that holds it, whose rest is kept on,
 * else the largest, which is moved to where it can grow.  Objects over HUGE_KEPT_MOST are given
 * back at once: a program may have touched little of so much, while the rule counts all of it.  For
 * the same reason calloc takes no kept mapping for more than HUGE_LARGE: to clear it all may take
 * longer than the few page faults of a new one.  And where addresses are scarce none larger is
 * kept.
 *
 * An object that grows is mapped with room for half as much again, which is addresses only, unless
 * the system limits these; or it takes a kept mapping whole, of a much larger one a part, whose
 * rest stays retained.
 *
 * With hugetlb=on a new object lies in reserved pages (pages/hugetlb.h), while there are some. Such
 * a mapping is kept as well, but stays whole: nothing is split off it, joined to it or purged.
 *
 * Invariants, proved by huge_check():
 *	G1  the tag of an object's first page is its descriptor;
 *	G2  the sums are those of the objects in use, and of what is kept: the dirty
 *	    bytes of kept mappings, and those behind objects in use;
 *	G3  nbytes <= dirty <= mapped; of kept mappings nbytes is dirty: not 0 on the list
 *	    `kept`, 0 on the list `purged`, of those that could not be unmapped;
 *	G4  a reserved mapping is of whole huge pages, and none of it is retained behind an object.
 *
 * Locking: the huge lock, held around the table, and around no system call but the purging and
 * unmapping of what is behind an object that might grow into it.  The lists are whole forwards
 * after each single store, and G3 holds, for huge_recover().
 */
#pragma once

#include "base/compiler.h"
#include "base/list.h"
#include "os/lock.h"
#include "pages/pagemap.h"

#define HUGE_KEPT_MOST GIB
#define HUGE_LARGE     (32 * MIB)

/*
 * A huge object; a freed one that is kept is the same.
 *
 *	mem                 nbytes            dirty                      mapped
 *	 | the program's      | may hold memory |  untouched  ..........   |
 */
struct huge {
	struct descriptor tag;
	bool in_use;	      /* in huge_table's list of that name; written under the huge lock */
	struct link link;     /* in use or kept; huge lock */
	char *mem;	      /* huge lock */
	size_t nbytes;	      /* usable; written by whoever holds the object, under the huge lock */
	size_t dirty, mapped; /* G3; huge lock */
	bool reserved;	      /* in reserved huge pages; constant while it is mapped */
};

/* An object of nbytes; NULL without memory.  *zero says before the call that zeros are wanted: then
   a kept mapping is reused only if nbytes of it may hold memory.  After the call it says that all
   reads as zero; if not, the caller clears it. */
void *huge_alloc(size_t nbytes, size_t alignment, bool *zero);

/* The same for an object that is going to grow. NULL also where there is memory for its bytes, but
   not for its room. */
void *huge_alloc_with_room(size_t nbytes);

/* False, with nothing done, where another thread has just freed it. */
bool huge_free(struct huge *h);

/* The object, moved if need be, with room for nbytes. NULL, with nothing changed, where another
   thread has just freed it, or where memory is missing, which only a larger size needs. */
void *huge_resize(struct huge *h, size_t nbytes);

/* The huge object, or the kept mapping, that an address lies in. NULL: none, or in a signal handler
   that interrupted the thread with the lock. */
struct huge *huge_around(const void *mem, bool kept);

/* Calls visit for each huge object in use, and for each mapping that is kept, under the lock. */
COLD void huge_visit(void (*visit)(const struct huge *h, bool kept, void *arg), void *arg);

/* Gives back at least nbytes where there are as many, and returns how many: kept mappings, oldest
   first, then what is behind objects in use. Whole mappings are unmapped; of the last one only the
   end is purged, if the system purges parts. */
size_t huge_purge(size_t nbytes);

/* Notes that what was kept all the time since the last call is not needed. */
COLD void huge_note_unneeded(void);

/* Gives back a step of that (RETAIN_STEP), as far as the rule asks for it; the bytes. */
COLD size_t huge_purge_unneeded(void);

/* Unmaps all kept ones, and what is behind those in use; the bytes. */
COLD size_t huge_unmap_free(void);

struct huge_sizes {
	size_t count, nbytes;		/* in use */
	size_t most_count, most_nbytes; /* the highest these were */
	size_t kept;			/* bytes of freed mappings that are kept, and in rooms */
	size_t kept_least;		/* that these were since huge_note_unneeded() */
	size_t made;			/* objects so far */
};
void huge_sizes(struct huge_sizes *ret_sizes);

COLD bool huge_check(void);

extern HIDDEN struct lock huge_lock;

/* In the child of a fork at which another thread held the lock.  An object that it was freeing is
   kept; one that it was resizing, and its mapping, are lost. */
COLD void huge_recover(void);

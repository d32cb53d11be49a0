/*
 * Pages that the child of a fork shares with its parent, until one of them writes to them: then the
 * system copies the page. A free writes a mark into its object, so a child that frees much of what
 * it inherited would copy most of its parent.
 *
 * So when a magazine of the child is full, all pages of slabs are closed (slab/slab.h). What is
 * freed on a closed page goes home at once, and only its bit is set; when an object is taken there,
 * the page is opened and all is as ever. A child that frees little pays nothing. To close pages
 * takes some 10 ms for each GiB, so where much is live that waits until as many magazines were full
 * as might have copied pages in that time: one for each SHARED_PAGES_STEP.
 *
 * The parent does the same while a child lives (os/children.h), and more: each object that it takes
 * from a page where others live would copy that page, too. So all slabs with an object out are set
 * aside (arena/slabs.h), and new objects come from new slabs, until no child is left, or a quarter
 * as much is free in slabs as is in use, or a trim wants all memory. That is done after 64 calls of
 * the thread that forked, so not where the child calls exec soon; and not where little is live.
 */
#pragma once

#include "slab/slab.h"

/* Live bytes for which one more magazine has to be full. */
#define SHARED_PAGES_STEP (128 * MIB)

/* Full magazines until all pages are closed; 0: they are closed, or are not to be. Atomic. */
extern HIDDEN size_t shared_pages_due;

/* Whether pages were ever closed; atomic. */
extern HIDDEN bool shared_pages_closed;

/* In every child of a fork. */
COLD void shared_pages_begin(void);

/* Between these, around every fork, no slabs are set aside, nor taken back: who does it holds an
   arena most of the time, and the child would lose what it inherits there. The first waits for a
   thread that does, if it may: in a signal handler it may have interrupted that very thread. */
COLD void shared_pages_fork_begins(bool wait);
COLD void shared_pages_fork_ends(void);

/* A magazine is full, and shared_pages_due is not 0: closes all pages if that was the last. The
   caller is inside, and holds no lock. */
COLD void shared_pages_note_full(void);

/* Closes all pages. The same of the caller. */
COLD void shared_pages_close(void);

/* In the parent, after a fork: shared_pages_decide() is to be called. */
COLD void shared_pages_forked(void);

enum shared_pages_step { SHARED_PAGES_WAIT, SHARED_PAGES_LEAVE, SHARED_PAGES_SET_ASIDE };

/* What is to be done by the thread that forked: nothing until its next call for a small object,
   nothing at all, or, in the 64th call if a child still lives, shared_pages_set_aside(). */
COLD enum shared_pages_step shared_pages_decide(void);

#define SHARED_PAGES_CALLS 64

/* Sets slabs aside. The caller is inside, holds no lock, and has emptied its cache and the depot:
   what lies there is on shared pages. */
COLD void shared_pages_set_aside(void);

/* Whether slabs are set aside; atomic. */
extern HIDDEN bool shared_pages_aside;

/* Called now and then while they are: takes them back, if it is time. The same of the caller. */
COLD void shared_pages_look(void);

/* Takes slabs back that are set aside: all memory is wanted. The same of the caller. Where another
   thread forks it does nothing, unless it must: then the child may lose one arena. */
COLD void shared_pages_take_back(bool must);

/* Gives home an object in use, without writing to it, if its page is closed; else false. */
COLD bool shared_pages_give(struct slab *s, const struct object *o);

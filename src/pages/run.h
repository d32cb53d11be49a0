/*
 * A run: a whole number of pages, at most a region, given to the program as one object.  It is
 * taken from free pages beside each other, or cut from the smallest block that holds it, and the
 * rest goes back at once.  It grows into the pages behind it while those are free; so one that is
 * known to grow is cut from a block, a larger one if there is one, whose rest is as free as before.
 *
 * The object of a small request that is not of whole pages lies between two fences: words that
 * depend on its address and a secret. They are checked whenever the program hands the object back,
 * so that what was written right before or behind it is found then. They lie in pages that the
 * object touches anyway; 24 bytes more may take one page more.
 *
 *	pages                                                                     npages
 *	+--------+-------+------------------------------------------+-------+--------+
 *	| unused | fence | the object                               | fence | unused |
 *	+--------+-------+------------------------------------------+-------+--------+
 *	                 mem, a multiple of the alignment           mem + usable
 *
 * While an arena keeps the run (arena/runs.h) the first word of the object is its mark, by which a
 * write after free is seen. Any other object begins where its pages do, and has all their bytes.
 */
#pragma once

#include "base/bits.h"
#include "base/compiler.h"
#include "os/check.h"
#include "pages/pagemap.h"

#define RUN_MAX REGION_SIZE

/* How large a run that grows may become where it is, unless others take the pages. */
#define RUN_ROOM MIB

/* What objects are aligned to at least. */
#define RUN_ALIGN ((size_t)16)

/* A request of at most RUN_FENCED_MAX bytes may have fences; its run has at most RUN_FENCED_PAGES,
   or one more if it is aligned to over 16 bytes. */
#define RUN_FENCED_PAGES (128 * KIB >> PAGE_SHIFT)
#define RUN_FENCED_MAX	 (128 * KIB - 2 * RUN_ALIGN)

/* Kept runs of so many pages serve such a request, too (runs_fits()), and have a mark then. */
#define RUN_MARKED_PAGES (RUN_FENCED_PAGES + RUN_FENCED_PAGES / 8)

struct run {
	struct descriptor tag;
	char *mem; /* the object; all is written by whoever holds it */
	size_t npages;
	union {
		struct {
			uint32_t usable; /* bytes of an object with fences; else 0 */
			bool kept;	 /* freed, and kept by an arena (arena/runs.h) */
		};
		uint64_t special; /* 0: in use, and without fences */
	};
};

static_assert(sizeof(((struct run *)NULL)->special) == 8 &&
		      offsetof(struct run, usable) == offsetof(struct run, special),
	      "special has all of the others");

/* Of the process. */
extern HIDDEN uint64_t run_secret;

/* Sets the secret of the fences. Called once, before any other function here; inline, so that a
   process that has no runs touches no page of their code. */
static inline void run_start(uint64_t secret)
{
	run_secret = secret | (uint64_t)0x81 << 56 | 0x81;
}

/* nbytes (rounded up to pages, at most RUN_MAX) at a multiple of alignment (at most RUN_MAX);
   NULL without memory.  *ret_zero says that all reads as zero. */
void *run_alloc(size_t nbytes, size_t alignment, bool *ret_zero);

/* The same for one that is going to grow. */
void *run_alloc_with_room(size_t nbytes, bool *ret_zero);

void run_free(struct run *run);

/* Makes room for nbytes in place; false, and all as before, if that cannot be. Pages that are not
   wanted go back to the zone; of a run of RUN_FENCED_PAGES at most only if they are over a quarter.
   Fences are whole before, and move. */
bool run_resize(struct run *run, size_t nbytes);

static inline size_t run_pages(size_t nbytes)
{
	return (nbytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

/* How far behind the start of its pages an object begins: 0 without fences. */
ALWAYS_INLINE size_t run_lead(size_t nbytes, size_t alignment)
{
	if (nbytes > RUN_FENCED_MAX || nbytes % PAGE_SIZE == 0 || alignment >= PAGE_SIZE)
		return 0;
	return alignment > RUN_ALIGN ? alignment : RUN_ALIGN;
}

/* Pages of a run whose object of nbytes begins that far behind their start. */
ALWAYS_INLINE size_t run_pages_behind(size_t lead, size_t nbytes)
{
	return run_pages(lead ? lead + align_up(nbytes, RUN_ALIGN) + sizeof(uint64_t) : nbytes);
}

/* Where the pages begin. */
static inline char *run_base(const struct run *run)
{
	return (char *)align_down((uintptr_t)load_relaxed(&run->mem), PAGE_SIZE);
}

/* Bytes that the program may use. */
static inline size_t run_usable(const struct run *run)
{
	size_t usable = load_relaxed(&run->usable);

	return usable ? usable : load_relaxed(&run->npages) << PAGE_SHIFT;
}

/* --- fences and marks: of runs that have fences, by whoever holds them ------------------------ */

/* The fences of the object at mem. Their first and their last byte are of the secret alone, which
   run_start() makes neither 0 nor text there: a single byte that is written beside the object is
   found. */
ALWAYS_INLINE uint64_t run_fence(const void *mem)
{
	return run_secret ^ (uintptr_t)mem << 8;
}

ALWAYS_INLINE uint64_t *run_before(const struct run *run)
{
	return (uint64_t *)run->mem - 1;
}

ALWAYS_INLINE uint64_t *run_behind(const struct run *run)
{
	return (uint64_t *)(run->mem + run->usable);
}

/* Whether the fences are as they were laid. */
ALWAYS_INLINE bool run_fences_hold(const struct run *run)
{
	uint64_t fence = run_fence(run->mem);

	return !CONFIG_CHECKS || (*run_before(run) == fence && *run_behind(run) == fence);
}

/* Ends the program: a fence was overwritten. */
_Noreturn COLD void run_report_fence(const struct run *run);

/* Marks the object as freed. */
ALWAYS_INLINE void run_mark(struct run *run)
{
	*(uint64_t *)run->mem = ~run_fence(run->mem);
}

ALWAYS_INLINE bool run_is_marked(const struct run *run)
{
	return *(uint64_t *)run->mem == ~run_fence(run->mem);
}

/* Ends the program: an object that was freed has lost its mark. */
_Noreturn COLD void run_report_written(const struct run *run);

/* Ends the program: two threads freed an object at once, and so it was kept twice. */
_Noreturn COLD void run_report_twice(const struct run *run);

/* Clears the mark, by which the next object would tell of the secret; reports one that is lost, and
   a fence that was whole when the object was freed. */
ALWAYS_INLINE void run_unmark(struct run *run)
{
	if (IS_WRONG(!run_is_marked(run) || !run_fences_hold(run)))
		run_report_written(run);
	*(uint64_t *)run->mem = 0;
}

/* --- layout ---------------------------------------------------------------------------------- */

/* Makes another lead of a run, whose fences it clears; with 0 it has none any more, else the one
   before the object, and run_lay_out() lays the other. */
void run_change_lead(struct run *run, size_t lead);

/* Lays the fence behind an object of nbytes, and clears the one behind it before. In this order the
   child of a fork finds it whole. */
ALWAYS_INLINE void run_set_size(struct run *run, size_t nbytes)
{
	size_t usable = align_up(nbytes, RUN_ALIGN), before = run->usable;

	if (usable == before)
		return;
	*(uint64_t *)(run->mem + usable) = run_fence(run->mem);
	KEEP_ORDER();
	store_relaxed(&run->usable, (uint32_t)usable);
	KEEP_ORDER();
	if (before)
		*(uint64_t *)(run->mem + before) = 0;
}

/* Makes a run, which is neither kept nor in use, the object of nbytes that begins `lead` bytes
   behind the start of its pages. */
ALWAYS_INLINE void *run_lay_out(struct run *run, size_t lead, size_t nbytes)
{
	ASSERT(run->npages >= run_pages_behind(lead, nbytes));
	if (UNLIKELY((uintptr_t)run->mem % PAGE_SIZE != lead))
		run_change_lead(run, lead);
	if (lead)
		run_set_size(run, nbytes);
	return run->mem;
}

/* Runs made so far; those that are there now, kept ones too, and their pages. Atomic. */
extern HIDDEN size_t run_made, run_now, run_pages_now;

/*
 * The one rule for giving memory back: free bytes that are kept in RAM for reuse never exceed
 *
 *	base + learned, base = max(retain_floor, used / retain_share)
 *
 * over free blocks, freed huge objects, top, and the whole free pages of chunk heaps (in chunks of
 * two pages and more) and of sparse slabs together.  Used is what is live without what lies idle in
 * heaps and slabs; live are blocks handed out, without their pages that were purged.  Whoever frees
 * reports here, and purges its own when the line is crossed, to half of the first term below it, so
 * that the cost of purging is spread over as many bytes freed; and whoever takes memory that must
 * be faulted in looks too, since a process that is full of what it keeps must not grow beside it.
 * One call purges a few slabs or 4 MiB of free blocks, or looks at a few hundred chunks, at most.
 *
 * Purged bytes stay on a tally; when memory is then taken that has to be faulted in, as many move
 * from the tally to the regret.  So a program that frees much once is small at once, and one that
 * frees and allocates much again and again pays for the first time only.
 *
 *	learned = min(regret, peak + slack - used - base), 0 at least
 *	slack = max(peak / 8, 8 MiB + min(regret, peak) / 16)
 *
 * keeps such a program from growing by more than the slack beyond what it was, with all that it
 * keeps: peak is the most that was used.  If it were
 * the most that was live, what is kept would raise the peak, and the peak what is kept, round after
 * round.  Tally, regret and peak fade by a quarter each decay_ms (retain_fade), so that what was
 * needed once is not kept for ever.  What was retained for all of decay_ms was not needed: it is
 * taken off the regret and goes at once, and only what is faulted in raises the line again
 * (retain_needed).  Where that is most of what is retained, it goes at half of decay_ms too: so a
 * program that does little is small after one and a half times decay_ms, and one that needs all it
 * keeps again and again keeps it.
 *
 * Under `limit` no more is retained than half of what is left of it, whatever was learned, and what
 * would make live and retained bytes together exceed it is refused (retain_allows): first all that
 * is retained goes back, then the request gets NULL. Asked is who takes blocks and addresses, and
 * who uses pages again that were purged within slabs and chunks. With limit=auto the limit is what
 * the system said last (pages/limit.h); and while tasks wait for memory, no more is retained than
 * an eighth of base.
 */
#pragma once

#include "base/compiler.h"
#include "base/options.h"
#include "os/alone.h"

/* How much larger a process may become than it was, by what it learned to keep: at least. */
#define RETAIN_SLACK (8 * MIB)

/* All in bytes; atomic, relaxed: each change is somebody's own. */
extern HIDDEN size_t retain_live; /* in blocks, runs and huge objects handed out, brk included */
extern HIDDEN size_t retain_most; /* the highest that retain_live was */
extern HIDDEN size_t retain_peak; /* the most that was used; fading */
extern HIDDEN size_t retain_retained; /* free and resident */
extern HIDDEN size_t retain_idle;     /* of that: in blocks handed out, to heaps and slabs */
extern HIDDEN size_t retain_tally;    /* purged by the rule, and not taken again */
extern HIDDEN size_t retain_low; /* the least retained that was seen in this half of decay_ms */
extern HIDDEN size_t retain_low_before; /* and in the half before */
extern HIDDEN size_t retain_needed;	/* more was not, of late; SIZE_MAX: it is not known */
extern HIDDEN size_t retain_regret; /* purged, and taken again; approximate where threads race */

/* Memory that is not in RAM was taken while more was retained than the floor: what is retained may
   be too much beside it, or the system's limit is to be read again (cache_obey_rule). A hint, set
   and cleared without order. */
extern HIDDEN bool retain_due;

/* Called when more is live than the peak: it may be used. */
void retain_note_peak(size_t live);

static inline void retain_add_live(intptr_t nbytes)
{
	size_t live = add_inside(&retain_live, (size_t)nbytes) + (size_t)nbytes;

	if (live > load_relaxed(&retain_peak))
		retain_note_peak(live);
}

/* Bytes that were purged count as live again because their block is about to go back whole. Nobody
   uses them, so they are no peak. */
static inline void retain_restore_live(size_t nbytes)
{
	add_inside(&retain_live, nbytes);
}

static inline void retain_add(intptr_t nbytes)
{
	add_inside(&retain_retained, (size_t)nbytes);
}

/* The same for what is free within a block, and so is live and retained at once. */
static inline void retain_add_idle(intptr_t nbytes)
{
	size_t live = load_relaxed(&retain_live);

	add_inside(&retain_idle, (size_t)nbytes);
	retain_add(nbytes);
	if (nbytes < 0 && live > load_relaxed(&retain_peak))
		retain_note_peak(live);
}

/* The same together with a sum of the caller's that is part of it.  The child of a fork may find
   one of the two done: then more is counted here than there is, never less, and neither can fall
   below zero. */
ALWAYS_INLINE void retain_with(void (*add)(intptr_t), size_t *sum, intptr_t nbytes)
{
	if (nbytes > 0)
		add(nbytes);
	KEEP_ORDER();
	*sum += (size_t)nbytes;
	KEEP_ORDER();
	if (nbytes < 0)
		add(nbytes);
}

/* Whether retain_excess() has to be asked: up to the floor it is 0. */
ALWAYS_INLINE bool retain_is_over_floor(void)
{
	return load_relaxed(&retain_retained) > options.retain_floor;
}

/* Whether free memory was not needed in this half of decay_ms, and may go at its end. */
static inline bool retain_is_unneeded(void)
{
	return load_relaxed(&retain_low) > options.retain_floor;
}

/* Bytes that are live or retained, each once. */
static inline size_t retain_held(void)
{
	return load_relaxed(&retain_live) + load_relaxed(&retain_retained) -
	       load_relaxed(&retain_idle);
}

/* What limit=auto goes by, as pages/limit.h has it; bytes, atomic, relaxed. SIZE_MAX: no limit. */
struct retain_limit {
	size_t known, step;
	size_t from, span; /* to - from */
	bool pressed;	   /* tasks wait for memory */
};
extern HIDDEN struct retain_limit retain_limit;

static inline bool retain_limit_is_auto(void)
{
	return options.limit == LIMIT_AUTO;
}

/* Whether limit_read() is due, under limit=auto. */
static inline bool retain_limit_is_due(void)
{
	return retain_held() - load_relaxed(&retain_limit.from) >= load_relaxed(&retain_limit.span);
}

/* Whether nbytes more may be live under `limit`; what is kept for reuse counts. */
COLD bool retain_is_below_limit(size_t nbytes);

ALWAYS_INLINE bool retain_allows(size_t nbytes)
{
	return LIKELY(!options.limit) || retain_is_below_limit(nbytes);
}

/* How many bytes are to be purged now: 0 below the line. */
size_t retain_excess(void);

/* nbytes have been purged because of the rule. */
void retain_purged(size_t nbytes);

/* nbytes were taken that are not in RAM. */
void retain_faults(size_t nbytes);

/* Called many times within decay_ms: what is retained at all of them was not needed. */
void retain_note_low(void);

/* The first half of decay_ms has passed: what was retained for all of it, and of the second half
   before, goes if it is most, and if both were long enough to be decay_ms. */
COLD void retain_half(bool long_enough);

/* The second half has passed: what was learned fades, and what was not needed goes. */
COLD void retain_fade(void);

/* What was learned is forgotten: the user has asked for memory to be given back. */
COLD void retain_forget(void);

/*
 * The one rule for giving memory back: bytes that are free and in RAM ("retained") never exceed
 *
 *	base + learned, base = max(retain_floor, used / retain_share)
 *
 * Retained are free blocks of the zone, kept runs and huge mappings, the depot, top, and the whole
 * free pages of chunk heaps (in chunks of two pages and more) and of slabs that are sparse or rest.
 * Live are blocks handed out, without their pages that were purged; used is what is live without
 * what is retained within heaps and slabs.
 *
 * A free that crosses this line purges to half of base below it, so that purging costs little for
 * each byte freed. An allocation that must fault in memory checks the line as well: a process must
 * not grow beside what it retains. Each call purges a bounded amount, and the next ones go on:
 * RETAIN_STEP of a heap or of mappings, 256 KiB of empty slabs, four times the block that it frees,
 * as much as the huge object that it frees, maps or enlarges.
 *
 * Bytes that the rule purged are counted in a tally. When memory is then faulted in, as many bytes
 * move from the tally to the regret: they were purged in vain. So a program that frees much once is
 * small at once, and one that frees and allocates much in turn pays page faults once only.
 *
 *	learned = min(regret, peak + slack - used - base), 0 at least
 *	slack = max(peak / 8, 8 MiB + min(regret, peak) / 16)
 *
 * Peak is the most that was used. So learning lets the process exceed by slack at most what it was.
 * (If peak were the most that was live, what is retained would raise the peak, and the peak what is
 * retained, round after round.) Tally and regret, and what peak exceeds used by, fade by a quarter
 * each decay_ms (retain_fade).
 *
 * What was retained for all of decay_ms was not needed: it is subtracted from the regret and goes
 * in steps, and only page faults raise the line again (retain_needed). If it is most of what is
 * retained, it goes at half of decay_ms too. So a program that does little is small after one and a
 * half times decay_ms and a slow path for each two steps, and one that uses again and again what it
 * retains keeps it.
 *
 * Under `limit` at most half of what is left of it is retained, whatever was learned, and a request
 * that would make live and retained bytes exceed it is refused (retain_claim): the caller gives
 * back what is retained and tries again before it returns NULL. Blocks, addresses, and pages used
 * again after they were purged within slabs and chunks are such requests. With limit=auto the limit
 * is what the system said last (pages/limit.h), and while tasks wait for memory at most an eighth
 * of base is retained.
 */
#pragma once

#include "base/bits.h"
#include "base/compiler.h"
#include "base/options.h"
#include "os/alone.h"

/* How much larger a process may become than it was, by what it learned to keep: at least. */
#define RETAIN_SLACK (8 * MIB)

/* What one call gives back of what is over the rule, or as much as it frees itself if that is more:
   so none takes longer the larger the heap is. The next calls go on. */
#define RETAIN_STEP (1 * MIB)

/* All in bytes; atomic, relaxed. */
extern HIDDEN size_t retain_live; /* in blocks, runs and huge objects handed out, brk included */
extern HIDDEN size_t retain_most; /* the highest that retain_live was */
extern HIDDEN size_t retain_peak; /* the most that was used; fading */
extern HIDDEN size_t retain_retained;	/* free and resident */
extern HIDDEN size_t retain_idle;	/* of that: in blocks handed out, to heaps and slabs */
extern HIDDEN size_t retain_tally;	/* purged by the rule, and not taken again */
extern HIDDEN size_t retain_low;	/* the least that was retained in this half of decay_ms */
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

static inline void retain_note_low(size_t now)
{
	if (now < load_relaxed(&retain_low))
		store_relaxed(&retain_low, now);
}

static inline void retain_add(intptr_t nbytes)
{
	size_t now = add_inside(&retain_retained, (size_t)nbytes) + (size_t)nbytes;

	if (nbytes < 0)
		retain_note_low(now);
}

/* Subtracts bytes of which most are added again at once: retain_note_low() follows that. */
static inline void retain_set_aside(intptr_t nbytes)
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

/* Whether nbytes more fit under `limit` beside what is live, retained and claimed. */
COLD bool retain_is_below_limit(size_t nbytes);

/* Bytes that were allowed under `limit` and are not counted as live yet; atomic. */
extern HIDDEN size_t retain_claimed;

#define RETAIN_REFUSED SIZE_MAX

/* The slow paths of retain_claim() and retain_unclaim(). */
COLD size_t retain_claim_under_limit(size_t nbytes);
COLD void retain_unclaim_under_limit(size_t claim);

/* Claims nbytes under `limit` before they are taken, so that concurrent requests do not exceed it
   together. Returns the claim, 0 without a limit, or RETAIN_REFUSED. The caller ends the claim by
   retain_unclaim(), after the bytes are counted as live or the system has refused them. */
ALWAYS_INLINE size_t retain_claim(size_t nbytes)
{
	return LIKELY(!options.limit) ? 0 : retain_claim_under_limit(nbytes);
}

ALWAYS_INLINE void retain_unclaim(size_t claim)
{
	if (UNLIKELY(claim))
		retain_unclaim_under_limit(claim);
}

/* The same for bytes that are live, before they are not counted for a while: never refused. */
ALWAYS_INLINE size_t retain_hold(size_t nbytes)
{
	if (LIKELY(!options.limit))
		return 0;
	add_relaxed(&retain_claimed, nbytes);
	return nbytes;
}

/* In the child of a fork: drops all claims, since the threads that made them do not exist there. */
static inline void retain_forget_claims(void)
{
	store_relaxed(&retain_claimed, 0);
}

/* How many bytes are to be purged now: 0 below the line. */
size_t retain_excess(void);

/* Of an excess, what a call gives back that itself freed nbytes: no more than RETAIN_STEP or as
   much. Under `limit` all: requests are refused there. */
static inline size_t retain_step(size_t excess, size_t nbytes)
{
	size_t most = larger(RETAIN_STEP, nbytes);

	return excess <= most || UNLIKELY(options.limit) ? excess : most;
}

/* nbytes have been purged because of the rule. */
void retain_purged(size_t nbytes);

/* Memory was taken that is not in RAM. */
void retain_note_taken(void);

/* The same of nbytes, which were purged in vain as far as the tally has as many. */
void retain_faults(size_t nbytes);

/* The first half of decay_ms has passed: what was retained for all of it, and of the second half
   before, goes if it is most, and if both were long enough to be decay_ms. */
COLD void retain_half(bool long_enough);

/* The second half has passed: what was learned fades, and what was retained for all of decay_ms
   goes; returns that. */
COLD size_t retain_fade(void);

/* What was learned is forgotten: the user has asked for memory to be given back. */
COLD void retain_forget(void);

/* Purging and trimming of a chunk heap; see heap_retain.h. */
#include "heap/heap_retain.h"

#include "base/options.h"
#include "os/check.h"
#include "os/os.h"
#include "pages/zone.h"

/* Chunks that one call purges, so that none takes long. It may look at CLEAN_A_VISIT times as many
   that are purged already. After the last bin the rule skips chunks for one call for each
   CLEAN_A_CALL of these: else, where most are purged, each call would only look at them. What is
   done each decay_ms, and what obeys a limit, skips none. */
#define VISITS_MOST   256
#define CLEAN_A_VISIT 16
#define CLEAN_A_CALL  256

#define PART_LEAST (64 * KIB) /* of a chunk that is purged in parts */

struct purge {
	struct chunk_heap *ch;
	size_t wanted, done;
	size_t looks; /* that are left: CLEAN_A_VISIT for a chunk that is purged */
	unsigned bin; /* of the chunk that was visited last; 0: it is unsorted */
};

static bool spend(struct purge *purge, size_t looks)
{
	purge->looks = minus(purge->looks, looks);
	return purge->looks;
}

/* Purges whole pages at the end of a big free chunk in the bins: nbytes that are dirty, or a little
   more; how many, 0 when the system refuses. Which pages are dirty is not known: so all are purged
   but as many, at the front, as may stay dirty. */
static size_t purge_chunk(struct chunk_heap *ch, struct chunk *c, size_t csize, size_t nbytes)
{
	size_t all, kept = align_down(minus(c->dirty, larger(nbytes, PART_LEAST)), os_page_size());
	char *from = chunk_pages(c, csize, &all);
	size_t done = c->dirty - kept;

	ASSERT(chunk_size(c) == csize && !(chunk_header(c) & CHUNK_IN_USE) && c->dirty);
	ASSERT(c->dirty <= all);
	if (!os_purge(from + kept, all - kept))
		return 0;
	add_hot(&ch->purged_bytes, done);
	ch->bins.dirty -= done;
	ch->bins.clean += done;
	c->clean += done;
	c->dirty = kept;
	return done;
}

static bool visit_chunk(struct chunk *c, size_t csize, void *arg)
{
	struct purge *purge = arg;
	size_t dirty = chunk_dirty(c, csize), done;

	purge->bin = chunk_header(c) & CHUNK_UNSORTED ? BINS_UNSORTED : bins_index(csize);
	if (csize < CHUNK_BIG || !dirty) {
		purge->ch->purge_vain += csize >= CHUNK_BIG;
		return spend(purge, 1);
	}
	done = purge_chunk(purge->ch, c, csize, purge->wanted - purge->done);
	if (!done)
		return false;
	purge->done += done;
	return purge->done < purge->wanted && spend(purge, CLEAN_A_VISIT);
}

/* Purges big free chunks from the bin `from` down, until `wanted` bytes are, or there are no more
   looks; how many bytes. In the latter case the next call may begin in the bin below: what larger
   ones have may all be purged already. */
static size_t purge_chunks(struct chunk_heap *ch, unsigned from, size_t wanted, size_t looks)
{
	struct purge purge = {.ch = ch, .wanted = wanted, .looks = looks};
	unsigned least = bins_index(CHUNK_BIG);

	if (!ch->bins.dirty)
		return 0;
	bins_visit(&ch->bins, from, least, visit_chunk, &purge);
	ch->purge_from = purge.looks || purge.bin <= least ? 0 : purge.bin - 1;
	if (!ch->purge_from) {
		ch->purge_pause = ch->purge_vain / CLEAN_A_CALL;
		ch->purge_vain = 0;
	}
	return purge.done;
}

static size_t purge_by_rule(struct chunk_heap *ch, size_t wanted)
{
	if (ch->purge_pause && !options.limit) {
		ch->purge_pause--;
		return 0;
	}
	return purge_chunks(ch, ch->purge_from ? ch->purge_from : BINS_LAST, wanted,
			    VISITS_MOST * CLEAN_A_VISIT);
}

void heap_count_retained(struct chunk_heap *ch, intptr_t change)
{
	ASSERT(change >= 0 || ch->retained >= (size_t)-change);
	retain_with(retain_add_idle, &ch->retained, change);
}

void heap_count_clean(struct chunk_heap *ch)
{
	if (ch->bins.clean < ch->counted_clean)
		retain_faults(ch->counted_clean - ch->bins.clean);
	retain_add_live((intptr_t)(ch->counted_clean - ch->bins.clean));
	ch->counted_clean = ch->bins.clean;
}

void heap_share(struct chunk_heap *ch)
{
	if (ch->top && !ch->top_heap->brk)
		top_release(ch);
	heap_count_changes(ch);
}

void heap_obey_rule(struct chunk_heap *ch)
{
	size_t excess = retain_excess(), before = top_retained(ch), pad = top_pad(ch), done;

	if (!excess)
		return;
	excess = retain_step(excess, 0);
	if (!options.trim_threshold)
		top_trim(ch, pad + minus(before, excess));
	if (!ch->top) { /* its block went to the zone, which has purged by the rule */
		excess = retain_step(retain_excess(), 0);
		before = 0;
	}
	done = minus(before, top_retained(ch));
	if (done < excess)
		done += purge_by_rule(ch, excess - done);
	retain_purged(done);
	heap_count_changes(ch);
	if (done < excess)
		zone_purge(excess - done);
}

void heap_obey_slowly(struct chunk_heap *ch)
{
	size_t before = ch->retained;

	heap_count_changes(ch);
	if (ch->retained <= before)
		return;
	if (options.trim_threshold && top_size(ch) > options.trim_threshold) {
		top_trim(ch, top_pad(ch));
		heap_count_changes(ch);
	}
	heap_obey_rule(ch);
}

void heap_obey_with_slowly(struct chunk_heap *ch, struct chunk *c)
{
	size_t csize = chunk_size(c), excess;

	if (csize >= CHUNK_BIG && chunk_dirty(c, csize) && (excess = retain_excess()))
		retain_purged(purge_chunk(ch, c, csize, retain_step(excess, 0)));
	heap_obey(ch);
}

size_t heap_trim(struct chunk_heap *ch, size_t pad)
{
	size_t done;

	heap_count_changes(ch);
	done = top_trim(ch, pad) + purge_chunks(ch, BINS_LAST, SIZE_MAX, SIZE_MAX);
	heap_end_pause(ch); /* all are purged: what is dirty from now on is new */
	heap_count_changes(ch);
	return done;
}

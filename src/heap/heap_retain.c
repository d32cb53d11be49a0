/* Purging and trimming of a chunk heap; see heap_retain.h. */
#include "heap/heap_retain.h"

#include "base/options.h"
#include "heap/top.h"
#include "os/os.h"
#include "pages/zone.h"

struct purge {
	struct chunk_heap *ch;
	size_t wanted, done;
};

static bool purge_chunk(struct chunk *c, size_t csize, void *arg)
{
	struct purge *purge = arg;
	size_t page = os_page_size();
	char *from = (char *)align_up((size_t)(c + 1), page);
	char *end = (char *)align_down((size_t)c + csize, page);

	if (csize < CHUNK_BIG || c->dirty == 0)
		return true;
	if (from >= end || !os_purge(from, (size_t)(end - from)))
		return false;
	heap_count(&purge->ch->purged_bytes, c->dirty);
	purge->done += c->dirty;
	purge->ch->bins.dirty -= c->dirty;
	c->dirty = 0;
	return purge->done < purge->wanted;
}

/* Purges big free chunks, the largest bins first, until `wanted` bytes are; how many. */
static size_t purge_chunks(struct chunk_heap *ch, size_t wanted)
{
	struct purge purge = {.ch = ch, .wanted = wanted};

	if (ch->bins.dirty)
		bins_visit(&ch->bins, bins_index(CHUNK_BIG), purge_chunk, &purge);
	return purge.done;
}

void heap_tell(struct chunk_heap *ch, intptr_t change)
{
	retain_add_idle_with(&ch->retained, change);
}

void heap_share(struct chunk_heap *ch)
{
	if (ch->top && !ch->top_heap->brk)
		top_release(ch);
	heap_tell_retained(ch);
}

void heap_obey_rule(struct chunk_heap *ch)
{
	size_t excess = retain_excess(), before = top_retained(ch), pad = top_pad(ch), done;

	if (!excess)
		return;
	if (!options.trim_threshold)
		top_trim(ch, pad + (before > excess ? before - excess : 0));
	done = before - top_retained(ch);
	if (done < excess)
		done += purge_chunks(ch, excess - done);
	retain_purged(done);
	heap_tell_retained(ch);
	if (done < excess)
		zone_purge(excess - done);
}

void heap_obey(struct chunk_heap *ch)
{
	size_t before = ch->retained;

	heap_tell_retained(ch);
	if (ch->retained <= before)
		return;
	if (options.trim_threshold && top_size(ch) > options.trim_threshold) {
		top_trim(ch, top_pad(ch));
		heap_tell_retained(ch);
	}
	heap_obey_rule(ch);
}

size_t heap_trim(struct chunk_heap *ch, size_t pad)
{
	size_t done = top_trim(ch, pad) + purge_chunks(ch, SIZE_MAX);

	heap_tell_retained(ch);
	return done;
}

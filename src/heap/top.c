/* Top: cut, extended, closed, opened, trimmed; see top.h. */
#include "heap/top.h"

#include "heap/free_chunk.h"
#include "heap/heap_memory.h"
#include "os/os.h"
#include "pages/retain.h"

#define CLEAN_MUCH (64 * KIB) /* what is worth a call of the system to stay clean */

void top_use_purged(struct chunk_heap *ch, char *until)
{
	size_t used = (size_t)(until - ch->top_clean);

	ASSERT(until >= ch->top_clean);
	ASSERT(until <= ch->top_heap->end && ch->top_purged);
	used = smaller(used, ch->top_purged);
	ch->top_purged -= used;
	retain_faults(used);
}

void *top_malloc(struct chunk_heap *ch, size_t need, bool *ret_zero)
{
	struct chunk *c = ch->top;
	size_t csize = top_size(ch);

	if (csize < need + CHUNK_LEAST)
		return NULL;
	ASSERT((char *)c + csize + CHUNK_END == ch->top_heap->end);
	if (UNLIKELY(chunk_word(c) != (csize | CHUNK_PREV_IN_USE)))
		chunk_report_header(c);
	if (ret_zero)
		*ret_zero = ch->top_clean == (char *)chunk_mem(c);
	chunk_set(c, need | CHUNK_IN_USE | CHUNK_PREV_IN_USE);
	top_move(ch, chunk_at(c, need));
	add_hot(&ch->in_use, need);
	add_hot(&ch->top_hits, 1);
	return chunk_mem(c);
}

bool top_close(struct chunk_heap *ch)
{
	struct chunk *c = ch->top;
	size_t csize = top_size(ch), from, end;

	if (!c)
		return false;
	ASSERT(csize >= CHUNK_LEAST && (char *)c + csize + CHUNK_END == ch->top_heap->end);
	chunk_set(chunk_at(c, csize), CHUNK_END | CHUNK_IS_END | CHUNK_IN_USE | CHUNK_PREV_IN_USE);
	store_relaxed(&ch->top, NULL);
	store_relaxed(&ch->top_heap, NULL);
	from = align_up(larger((size_t)ch->top_clean, (size_t)(c + 1)), os_page_size());
	end = align_down((size_t)c + csize, os_page_size());
	return free_chunk_settle(ch, c, csize, minus(end, from), CHUNK_RECUT);
}

void top_open(struct chunk_heap *ch, struct heap *heap, bool clean)
{
	ASSERT(!ch->top);
	ASSERT(ch->heaps == heap && heap->owner == ch);
	ch->top_clean = clean ? heap->base : heap->end;
	ch->top_purged = 0;
	store_relaxed(&ch->top_heap, heap);
	top_move(ch, (struct chunk *)heap->base);
}

bool top_extend(struct chunk_heap *ch, size_t need)
{
	size_t nbytes, room = top_size(ch);

	need += CHUNK_LEAST;
	if (need <= room)
		return true;
	nbytes = ch->top_heap ? heap_extend(ch->top_heap, need - room) : 0;
	if (!nbytes)
		return false;
	add_hot(&ch->system, nbytes);
	add_hot(&ch->top_grown_brk, 1);
	top_move(ch, ch->top);
	return true;
}

/* Purges top from `from` on, where it may hold memory; how many bytes. */
static size_t purge_top(struct chunk_heap *ch, char *from)
{
	size_t page = os_page_size();
	char *end = (char *)align_up((size_t)ch->top_clean, page);
	char *heap_end = (char *)align_down((size_t)ch->top_heap->end, page);

	ASSERT(is_aligned((uintptr_t)from, page) && from > (char *)ch->top + CHUNK_MEM);
	if (end > heap_end)
		end = heap_end;
	if (from >= end || !os_purge(from, (size_t)(end - from)))
		return 0;
	if (end >= ch->top_clean)
		ch->top_clean = from;
	ch->top_purged += (size_t)(end - from);
	add_hot(&ch->purged_bytes, (size_t)(end - from));
	return (size_t)(end - from);
}

bool top_release(struct chunk_heap *ch)
{
	struct heap *heap = ch->top_heap;

	if (!heap || (char *)ch->top != heap->base ||
	    !heap_release(ch, heap, (size_t)(ch->top_clean - heap->base)))
		return false;
	store_relaxed(&ch->top, NULL);
	store_relaxed(&ch->top_heap, NULL);
	add_hot(&ch->trims, 1);
	return true;
}

size_t top_trim(struct chunk_heap *ch, size_t pad)
{
	struct heap *heap = ch->top_heap;
	size_t nbytes;
	char *from;

	if (!heap || pad >= top_size(ch))
		return 0;
	nbytes = (size_t)(heap->end - heap->base);
	if (pad == 0 && top_release(ch))
		return nbytes;
	from = (char *)align_up((size_t)ch->top + CHUNK_LEAST + CHUNK_END + pad, os_page_size());
	if (from >= heap->end)
		return 0;
	nbytes = (size_t)(heap->end - from);
	if (!heap->brk || !heap_shorten(heap, nbytes))
		return purge_top(ch, from);
	store_relaxed(&heap->end, from);
	if (ch->top_clean > from)
		ch->top_clean = from;
	add_hot(&ch->system, -nbytes);
	add_hot(&ch->trims, 1);
	top_move(ch, ch->top);
	return nbytes;
}

/* Clean pages of the chunk lie before top's clean end, and so count as retained again. Where they
   are many, top is trimmed at once, unless trim_threshold is set. */
void top_move_over_clean(struct chunk_heap *ch, struct chunk *c, size_t clean)
{
	size_t done;

	heap_restore_clean(ch); /* without a fault: nothing was used */
	top_move(ch, c);
	if (options.trim_threshold)
		retain_faults(clean); /* top keeps it, so it was purged in vain */
	if (clean < CLEAN_MUCH || options.trim_threshold)
		return;
	done = top_trim(ch, top_pad(ch));
	if (ch->top) /* else it went to the zone */
		retain_purged(minus(done, clean));
}

/* Growth and shrinking of top, by brk and by blocks; see top.h. */
#include "heap/top.h"

#include "base/check.h"
#include "base/options.h"
#include "os/os.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/zone.h"

#define BLOCK_FIRST 3 /* the order of 32 KiB */

static struct pool heap_pool = POOL_INIT(struct heap);

void top_use_purged(struct chunk_heap *ch, char *until)
{
	size_t used = (size_t)(until - ch->top_clean);

	used = used < ch->top_purged ? used : ch->top_purged;
	ch->top_purged -= used;
	retain_faults(used);
}

void *top_malloc(struct chunk_heap *ch, size_t need, bool *ret_zero)
{
	struct chunk *c = ch->top;
	size_t csize = top_size(ch);

	if (csize < need + CHUNK_LEAST)
		return NULL;
	if (UNLIKELY(chunk_word(c) != (csize | CHUNK_PREV_IN_USE)))
		chunk_report_header(c);
	*ret_zero = ch->top_clean == (char *)chunk_mem(c);
	chunk_set(c, need | CHUNK_IN_USE | CHUNK_PREV_IN_USE);
	top_move(ch, chunk_at(c, need));
	heap_count(&ch->in_use, need);
	heap_count(&ch->top_hits, 1);
	return chunk_mem(c);
}

/* Top becomes a free chunk before an end.  Its heap may go back to the zone by that. */
static void top_close(struct chunk_heap *ch)
{
	struct chunk *c = ch->top, *end;
	size_t csize = top_size(ch), dirty;

	if (!c)
		return;
	end = chunk_at(c, csize);
	dirty = (size_t)(ch->top_clean - (char *)c);
	chunk_set(end, CHUNK_END | CHUNK_IS_END | CHUNK_IN_USE | CHUNK_PREV_IN_USE);
	store_relaxed(&ch->top, NULL);
	store_relaxed(&ch->top_heap, NULL);
	heap_settle(ch, c, csize, dirty < csize ? dirty : csize, CHUNK_RECUT);
}

/* Memory at base becomes the heap that top lies in; clean: all of it reads as zero. */
static void top_open(struct chunk_heap *ch, struct heap *heap, char *base, size_t nbytes,
		     bool clean)
{
	top_close(ch);
	heap->tag.kind = KIND_HEAP;
	heap->owner = ch;
	heap->base = base;
	store_relaxed(&heap->end, base + nbytes);
	heap->next = ch->heaps;
	if (heap->next)
		heap->next->prev = heap;
	ch->heaps = heap;
	pagemap_set(base, nbytes, &heap->tag);
	heap_count(&ch->system, nbytes);
	heap_count(&ch->in_use, CHUNK_END);
	ch->top_clean = clean ? base : heap->end;
	ch->top_purged = 0;
	store_relaxed(&ch->top_heap, heap);
	top_move(ch, (struct chunk *)base);
}

/* True when the data segment ends where this heap does. */
static bool break_is_at(const struct heap *heap)
{
	char *end = heap->brk ? os_sbrk(0) : NULL;

	if (end && end < heap->end && end > heap->base)
		report_corruption("break adjusted to free malloc space",
				  (struct report_about){.mem = end});
	return end == heap->end;
}

/*
 * nbytes more of the data segment, whole pages that can be tagged, at `at` or,
 * when that is NULL, anywhere; NULL when refused.  When the program moves the
 * break at this very moment, they are left alone: part of them may be its own.
 */
static char *break_advance(char *at, size_t nbytes)
{
	char *end = os_sbrk(0), *mem;
	size_t skip;

	if (!end || (at && end != at))
		return NULL;
	skip = align_up((size_t)end, os_page_size()) - (size_t)end;
	mem = end + skip;
	if (!pagemap_reserve(mem, nbytes) || os_sbrk((intptr_t)(skip + nbytes)) != end)
		return NULL;
	retain_add_live((intptr_t)nbytes);
	retain_faults(nbytes);
	return mem;
}

/* The same with the pad, or without it when the system refuses that. */
static char *break_advance_padded(char *at, size_t need, size_t *ret_nbytes)
{
	size_t page = os_page_size();
	char *mem;

	*ret_nbytes = align_up(need + options.top_pad, page);
	mem = break_advance(at, *ret_nbytes);
	if (mem)
		return mem;
	*ret_nbytes = align_up(need, page);
	return break_advance(at, *ret_nbytes);
}

bool top_extend(struct chunk_heap *ch, size_t need)
{
	struct heap *heap = ch->top_heap;
	size_t nbytes, room = top_size(ch);

	need += CHUNK_LEAST;
	if (need <= room)
		return true;
	if (!heap || !break_is_at(heap) || !break_advance_padded(heap->end, need - room, &nbytes))
		return false;
	pagemap_set(heap->end, nbytes, &heap->tag);
	store_relaxed(&heap->end, heap->end + nbytes);
	heap_count(&ch->system, nbytes);
	heap_count(&ch->top_grown_brk, 1);
	top_move(ch, ch->top);
	return true;
}

static bool grow_by_brk(struct chunk_heap *ch, struct heap *heap, size_t need)
{
	size_t nbytes;
	char *mem = break_advance_padded(NULL, need, &nbytes);

	if (!mem)
		return false;
	heap->brk = true;
	top_open(ch, heap, mem, nbytes, true);
	heap_count(&ch->top_grown_brk, 1);
	return true;
}

/*
 * A block as large as all heaps so far, so that they double, else the smallest
 * that will do.
 */
static bool grow_by_block(struct chunk_heap *ch, struct heap *heap, size_t need)
{
	unsigned least = log2_ceil(align_up(need, PAGE_SIZE) / PAGE_SIZE), order = BLOCK_FIRST;
	bool clean;
	void *block;

	if (least > ORDER_MAX)
		return false;
	while (order < ORDER_MAX && (order < least || ORDER_BYTES(order + 1) <= ch->system))
		order++;
	block = zone_alloc(order, &clean);
	if (!block && order > least) {
		order = least;
		block = zone_alloc(order, &clean);
	}
	if (!block)
		return false;
	top_open(ch, heap, block, ORDER_BYTES(order), clean);
	heap_count(&ch->top_grown_block, 1);
	return true;
}

bool top_grow(struct chunk_heap *ch, size_t need)
{
	struct heap *heap;

	if (ch->brk && top_extend(ch, need))
		return true;
	heap = pool_alloc(&heap_pool);
	if (!heap)
		return false;
	need += CHUNK_LEAST + CHUNK_END;
	if ((ch->brk && grow_by_brk(ch, heap, need)) || grow_by_block(ch, heap, need))
		return true;
	pool_free(&heap_pool, heap);
	return false;
}

/* Moves the data segment's end, which is the heap's, down by nbytes. */
static bool break_retreat(struct heap *heap, size_t nbytes)
{
	char *from = heap->end - nbytes;

	if (!break_is_at(heap))
		return false;
	pagemap_set(from, nbytes, NULL);
	if (!os_sbrk(-(intptr_t)nbytes)) {
		pagemap_set(from, nbytes, &heap->tag);
		return false;
	}
	retain_add_live(-(intptr_t)nbytes);
	return true;
}

bool heap_release(struct chunk_heap *ch, struct heap *heap, size_t touched)
{
	size_t nbytes = (size_t)(heap->end - heap->base);

	if (heap->brk && !break_retreat(heap, nbytes))
		return false;
	if (!heap->brk) {
		pagemap_set(heap->base, nbytes, NULL);
		zone_free(heap->base, log2_floor(nbytes / PAGE_SIZE), touched);
	}
	if (heap->next)
		heap->next->prev = heap->prev;
	*(heap->prev ? &heap->prev->next : &ch->heaps) = heap->next;
	heap_count(&ch->system, -nbytes);
	heap_count(&ch->in_use, -CHUNK_END);
	pool_free(&heap_pool, heap);
	return true;
}

size_t top_retained(const struct chunk_heap *ch)
{
	size_t dirty = ch->top ? (size_t)(ch->top_clean - (char *)ch->top) : 0;

	return dirty > top_pad(ch) ? dirty - top_pad(ch) : 0;
}

/* Purges top from `from` on, where it may hold memory; how many bytes. */
static size_t purge_top(struct chunk_heap *ch, char *from)
{
	size_t page = os_page_size();
	char *end = (char *)align_up((size_t)ch->top_clean, page);
	char *heap_end = (char *)align_down((size_t)ch->top_heap->end, page);

	if (end > heap_end)
		end = heap_end;
	if (from >= end || !os_purge(from, (size_t)(end - from)))
		return 0;
	if (end >= ch->top_clean)
		ch->top_clean = from;
	ch->top_purged += (size_t)(end - from);
	heap_count(&ch->purged_bytes, (size_t)(end - from));
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
	heap_count(&ch->trims, 1);
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
	if (!heap->brk || !break_retreat(heap, nbytes))
		return purge_top(ch, from);
	store_relaxed(&heap->end, from);
	if (ch->top_clean > from)
		ch->top_clean = from;
	heap_count(&ch->system, -nbytes);
	heap_count(&ch->trims, 1);
	top_move(ch, ch->top);
	return nbytes;
}

/* Stretches of the data segment and blocks of the zone; see heap_memory.h. */
#include "heap/heap_memory.h"

#include "base/probe.h"
#include "os/check.h"
#include "base/options.h"
#include "os/os.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/thp.h"
#include "pages/zone.h"
#include "report/report.h"

#define BLOCK_FIRST 3 /* the order of 32 KiB */

static struct pool heap_pool = POOL_INIT(struct heap);

/* True when the data segment ends where this heap does. */
static bool break_is_at(const struct heap *heap)
{
	char *end = heap->brk ? os_break() : NULL;

	if (end && end < heap->end && end > heap->base)
		report_corruption("break adjusted to free malloc space",
				  (struct report_about){.mem = end});
	return end == heap->end;
}

/* nbytes more of the data segment, whole pages that can be tagged, at `at` or, when that is NULL,
   anywhere; NULL when refused.  When the program moves the break at this very moment, they are left
   alone: part of them may be its own. */
static char *break_advance(char *at, size_t nbytes)
{
	char *end = os_break(), *mem = NULL;
	size_t skip, claim = retain_claim(nbytes);

	if (claim == RETAIN_REFUSED)
		return NULL;
	skip = align_up((size_t)end, os_page_size()) - (size_t)end;
	ASSERT(nbytes && is_aligned(nbytes, os_page_size()));
	if (end && (!at || end == at) && pagemap_reserve(end + skip, nbytes) &&
	    os_sbrk((intptr_t)(skip + nbytes)) == end) {
		mem = end + skip;
		thp_refuse(mem, nbytes);
		retain_add_live((intptr_t)nbytes);
		retain_faults(nbytes);
		PROBE2(loam, break_grow, mem, nbytes);
	}
	retain_unclaim(claim);
	return mem;
}

/* break_advance() by need and top_pad, or by need alone where that is refused; *ret_nbytes says by
   how much. */
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

size_t heap_extend(struct heap *heap, size_t need)
{
	size_t nbytes;

	if (!break_is_at(heap) || !break_advance_padded(heap->end, need, &nbytes))
		return 0;
	pagemap_set(heap->end, nbytes, &heap->tag);
	store_relaxed(&heap->end, heap->end + nbytes);
	return nbytes;
}

static void set_bounds(struct heap *heap, char *base, size_t nbytes)
{
	ASSERT(nbytes && is_aligned((uintptr_t)base | nbytes, PAGE_SIZE));
	heap->base = base;
	store_relaxed(&heap->end, base + nbytes);
}

static bool obtain_break(struct heap *heap, size_t need, bool *ret_clean)
{
	size_t nbytes;
	char *mem = break_advance_padded(NULL, need, &nbytes);

	if (!mem)
		return false;
	heap->brk = true;
	set_bounds(heap, mem, nbytes);
	return *ret_clean = true;
}

/* A block as large as all heaps so far, so that they double, else the smallest that will do. */
static bool obtain_block(const struct chunk_heap *ch, struct heap *heap, size_t need,
			 bool *ret_clean)
{
	unsigned least = log2_ceil(align_up(need, PAGE_SIZE) / PAGE_SIZE), order = BLOCK_FIRST;
	void *block;

	if (least > ORDER_MAX)
		return false;
	while (order < ORDER_MAX && (order < least || ORDER_BYTES(order + 1) <= ch->system))
		order++;
	block = zone_alloc(order, ret_clean);
	if (!block && order > least) {
		order = least;
		block = zone_alloc(order, ret_clean);
	}
	if (!block)
		return false;
	ASSERT(ORDER_BYTES(order) >= need);
	set_bounds(heap, block, ORDER_BYTES(order));
	return true;
}

static void enlist(struct chunk_heap *ch, struct heap *heap)
{
	size_t nbytes = (size_t)(heap->end - heap->base);

	ASSERT(nbytes && is_aligned((uintptr_t)heap->base, PAGE_SIZE) &&
	       is_aligned(nbytes, PAGE_SIZE));
	ASSERT(!pagemap_get(heap->base)); /* Z5; of the break, new */
	heap->tag.kind = KIND_HEAP;
	heap->owner = ch;
	heap->next = ch->heaps;
	if (heap->next)
		heap->next->prev = heap;
	ch->heaps = heap;
	pagemap_set(heap->base, nbytes, &heap->tag);
	add_hot(&ch->system, nbytes);
	add_hot(&ch->in_use, CHUNK_END);
}

struct heap *heap_obtain(struct chunk_heap *ch, size_t need, bool *ret_clean)
{
	struct heap *heap = pool_alloc(&heap_pool);

	if (!heap)
		return NULL;
	if (ch->brk && obtain_break(heap, need, ret_clean)) {
		add_hot(&ch->top_grown_brk, 1);
	} else if (obtain_block(ch, heap, need, ret_clean)) {
		add_hot(&ch->top_grown_block, 1);
	} else {
		pool_free(&heap_pool, heap);
		return NULL;
	}
	enlist(ch, heap);
	return heap;
}

bool heap_shorten(struct heap *heap, size_t nbytes)
{
	char *from = heap->end - nbytes;

	ASSERT(from >= heap->base);
	ASSERT(heap->brk && nbytes && is_aligned(nbytes, os_page_size()));
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

void heap_restore_clean(struct chunk_heap *ch)
{
	retain_restore_live(ch->counted_clean - ch->bins.clean);
	ch->counted_clean = ch->bins.clean;
}

bool heap_release(struct chunk_heap *ch, struct heap *heap, size_t touched)
{
	size_t nbytes = (size_t)(heap->end - heap->base);

	ASSERT(heap->owner == ch && ch->system >= nbytes && ch->in_use >= CHUNK_END);
	ASSERT((heap->prev ? heap->prev->next : ch->heaps) == heap && touched <= nbytes);
	heap_restore_clean(ch);
	if (heap->brk && !heap_shorten(heap, nbytes))
		return false;
	if (!heap->brk) {
		pagemap_set(heap->base, nbytes, NULL);
		zone_free(heap->base, log2_floor(nbytes / PAGE_SIZE), touched);
	}
	if (heap->next)
		heap->next->prev = heap->prev;
	*(heap->prev ? &heap->prev->next : &ch->heaps) = heap->next;
	add_hot(&ch->system, -nbytes);
	add_hot(&ch->in_use, -CHUNK_END);
	pool_free(&heap_pool, heap);
	return true;
}

bool heap_release_filled(struct chunk_heap *ch, const struct chunk *c, size_t csize)
{
	struct heap *heap = (struct heap *)pagemap_get(c);

	ASSERT(heap->tag.kind == KIND_HEAP && heap->owner == ch);
	if (heap->brk || heap->base != (char *)c || heap->end != (char *)c + csize + CHUNK_END)
		return false;
	return heap_release(ch, heap, csize + CHUNK_END);
}

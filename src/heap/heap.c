/* Chunks out and in: the pipeline of malloc, and free with its merging; see heap.h. */
#include "heap/heap.h"

#include "heap/free_chunk.h"
#include "heap/heap_memory.h"
#include "heap/top.h"
#include "os/check.h"

/* Chunks of unsorted that one request sorts: before it uses top, and before it asks the system for
   memory. After a million were freed a request would take long to look at all of them. */
#define SWEEP_MOST 64
#define SWEEP_LONG 512

SEALED uint64_t chunk_secret;

void heap_start(uint64_t secret)
{
	chunk_secret = secret;
}

/* Makes a free chunk of what the piece of csize bytes at c has beyond need, unless that is too
   little; how many bytes c has then.  The chunk after the piece says that it is free. */
ALWAYS_INLINE size_t split(struct chunk_heap *ch, struct chunk *c, size_t csize, size_t need,
			   size_t dirty)
{
	struct chunk *next = chunk_at(c, csize);

	ASSERT(need <= csize && is_aligned(need, CHUNK_ALIGN) && dirty <= csize);
	if (csize - need < CHUNK_LEAST) {
		chunk_set(next, chunk_word(next) | CHUNK_PREV_IN_USE);
		return csize;
	}
	free_chunk_put(ch, chunk_at(c, need), csize - need, dirty, 0, CHUNK_UNSORTED | CHUNK_RECUT);
	add_hot(&ch->splits, 1);
	return need;
}

/* Hands out need bytes of the free chunk c, which is in no bin. */
static void *carve(struct chunk_heap *ch, struct chunk *c, size_t csize, size_t need)
{
	ASSERT(need >= CHUNK_LEAST && need <= csize);
	need = split(ch, c, csize, need, chunk_dirty(c, csize));
	chunk_set(c, need | CHUNK_IN_USE | CHUNK_PREV_IN_USE);
	add_hot(&ch->in_use, need);
	return chunk_mem(c);
}

/* Merges c, whose header is word, with its free neighbours. */
static NOINLINE void merge(struct chunk_heap *ch, struct chunk *c, uint64_t word)
{
	size_t own = chunk_word_size(word), csize = own, clean = 0;
	struct chunk *next = chunk_at(c, csize);

	ASSERT(word & CHUNK_IN_USE && c != ch->top);
	/* It may be read again, if the program frees it twice. */
	chunk_set(c, word & ~CHUNK_IN_USE);
	if (!(word & CHUNK_PREV_IN_USE)) {
		c = chunk_prev(c);
		word = chunk_word(c);
		clean += free_chunk_absorb(ch, c, word);
		csize += chunk_word_size(word);
	}
	if (next == ch->top) {
		if (UNLIKELY(clean))
			top_move_over_clean(ch, c, clean);
		else
			top_move(ch, c);
		add_hot(&ch->merges, 1);
		heap_obey(ch);
		return;
	}
	word = chunk_word(next);
	if (!(word & CHUNK_IN_USE)) {
		clean += free_chunk_absorb(ch, next, word);
		csize += chunk_word_size(word);
	}
	if (free_chunk_settle(ch, c, csize, clean, csize == own ? 0 : CHUNK_RECUT))
		heap_obey_with(ch, c);
}

/* Frees the chunk in use c, whose header is word. */
ALWAYS_INLINE void release(struct chunk_heap *ch, struct chunk *c, uint64_t word)
{
	size_t csize = chunk_word_size(word);
	struct chunk *next = chunk_at(c, csize);
	uint64_t next_word = chunk_word(next);

	ASSERT(csize <= ch->in_use);
	add_hot(&ch->in_use, -csize);
	if (UNLIKELY(!(next_word & CHUNK_PREV_IN_USE)))
		chunk_report_header(next);
	if (csize >= CHUNK_LARGE || !(word & CHUNK_PREV_IN_USE) || !(next_word & CHUNK_IN_USE)) {
		merge(ch, c, word);
		return;
	}
	next->prev_size = csize;
	chunk_set(next, next_word & ~CHUNK_PREV_IN_USE);
	chunk_set(c, csize | CHUNK_PREV_IN_USE);
	bins_push(&ch->bins, (unsigned)(csize / CHUNK_ALIGN), c);
}

void heap_free(struct chunk_heap *ch, void *mem)
{
	struct chunk *c = chunk_in_use(mem, "free");

	if (!c)
		return;
	ASSERT(((const struct heap *)pagemap_get(mem))->owner == ch);
	release(ch, c, c->header & CHUNK_WORD);
}

/* Whether need bytes of a free chunk may be used: what of it was purged counts under `limit`. */
ALWAYS_INLINE bool may_use(const struct chunk *c, size_t csize, size_t need)
{
	return LIKELY(!options.limit) || !chunk_clean(c, csize) || retain_is_below_limit(need);
}

/* Looks at the chunks of unsorted, oldest first, `most` of them: one that fits exactly is handed
   out, the others go into their bins.  The last remainder, when it is alone there, goes on to be
   cut, so that small requests in a row lie side by side. */
static void *sweep(struct chunk_heap *ch, size_t need, unsigned most)
{
	struct chunk *c;

	for (; most && (c = ch->bins.first[BINS_UNSORTED]) != NULL; most--) {
		uint64_t word = chunk_word(c);
		size_t csize = chunk_word_size(word);

		if (UNLIKELY(!(word & CHUNK_UNSORTED)))
			chunk_report_header(c);
		bins_remove(&ch->bins, c, word);
		if (need < CHUNK_LARGE && c == ch->last_remainder &&
		    !ch->bins.first[BINS_UNSORTED] && csize >= need + CHUNK_LEAST &&
		    may_use(c, csize, need)) {
			ch->last_remainder = chunk_at(c, need);
			add_hot(&ch->remainder_hits, 1);
			return carve(ch, c, csize, need);
		}
		if (csize == need && may_use(c, csize, need)) {
			add_hot(&ch->unsorted_hits, 1);
			return carve(ch, c, csize, need);
		}
		chunk_set(c, word & ~CHUNK_UNSORTED);
		bins_insert(&ch->bins, c, word & ~CHUNK_UNSORTED);
	}
	return NULL;
}

/* Hands out of the smallest sorted chunk that is large enough. */
static void *take_best(struct chunk_heap *ch, size_t need)
{
	struct chunk *c = bins_best(&ch->bins, need);
	uint64_t word;
	size_t csize;

	if (!c)
		return NULL;
	word = chunk_word(c);
	csize = chunk_word_size(word);
	ASSERT(csize >= need && !(word & CHUNK_IN_USE) && !(word & CHUNK_UNSORTED));
	if (!may_use(c, csize, need))
		return NULL;
	bins_remove(&ch->bins, c, word);
	if (need < CHUNK_LARGE && csize >= need + CHUNK_LEAST)
		ch->last_remainder = chunk_at(c, need);
	add_hot(csize < CHUNK_LARGE ? &ch->small_hits : &ch->large_hits, 1);
	return carve(ch, c, csize, need);
}

/* Makes room for a chunk of need bytes in top, or in a new one; false when the system refuses. */
static NOINLINE bool grow_top(struct chunk_heap *ch, size_t need)
{
	struct heap *heap;
	bool clean;

	if (ch->brk && top_extend(ch, need))
		return true;
	heap = heap_obtain(ch, need + CHUNK_LEAST + CHUNK_END, &clean);
	if (!heap)
		return false;
	if (top_close(ch))
		heap_obey(ch);
	top_open(ch, heap, clean);
	return true;
}

/* Hands out of the first `most` chunks of unsorted, or of the sorted ones. */
static void *sweep_or_best(struct chunk_heap *ch, size_t need, unsigned most)
{
	void *mem = sweep(ch, need, most);

	return mem ? mem : take_best(ch, need);
}

/* What no small bin has: the rest of the pipeline, which ends with asking the system unless it may
   not. Where the system refuses, unsorted may still have it. */
static NOINLINE void *find(struct chunk_heap *ch, size_t need, bool *ret_zero, bool may_grow)
{
	void *mem = sweep_or_best(ch, need, SWEEP_MOST);

	if (!mem)
		mem = top_malloc(ch, need, ret_zero);
	if (!mem && ch->bins.first[BINS_UNSORTED])
		mem = sweep_or_best(ch, need, SWEEP_LONG);
	if (!mem && may_grow)
		mem = grow_top(ch, need) ? top_malloc(ch, need, ret_zero)
					 : sweep_or_best(ch, need, ~0u);
	heap_count_changes(ch);
	return mem;
}

void heap_sort(struct chunk_heap *ch)
{
	sweep(ch, SIZE_MAX, ~0u);
}

/* A chunk of need bytes. */
ALWAYS_INLINE void *take(struct chunk_heap *ch, size_t need, bool *ret_zero)
{
	struct chunk *c, *next;

	ASSERT(need >= CHUNK_LEAST && is_aligned(need, CHUNK_ALIGN));
	if (need >= CHUNK_LARGE || !(c = ch->bins.first[need / CHUNK_ALIGN]))
		return find(ch, need, ret_zero, true);
	if (UNLIKELY((chunk_word(c) | CHUNK_RECUT) != (need | CHUNK_PREV_IN_USE | CHUNK_RECUT)))
		chunk_report_header(c);
	bins_unlink(&ch->bins, (unsigned)(need / CHUNK_ALIGN), c);
	next = chunk_at(c, need);
	chunk_set(next, chunk_word(next) | CHUNK_PREV_IN_USE);
	chunk_set(c, need | CHUNK_IN_USE | CHUNK_PREV_IN_USE);
	add_hot(&ch->in_use, need);
	add_hot(&ch->small_hits, 1);
	return chunk_mem(c);
}

void *heap_malloc(struct chunk_heap *ch, size_t req, bool *ret_zero)
{
	if (ret_zero)
		*ret_zero = false;
	return LIKELY(req <= HEAP_MAX_REQ) ? take(ch, chunk_need(req), ret_zero) : NULL;
}

/* Cuts a chunk in use in two, both in use; the second. */
static struct chunk *cut(struct chunk *c, size_t need)
{
	uint64_t word = chunk_word(c);
	struct chunk *second = chunk_at(c, need);

	ASSERT(word & CHUNK_IN_USE && is_aligned(need, CHUNK_ALIGN));
	ASSERT(need >= CHUNK_LEAST && need + CHUNK_LEAST <= chunk_word_size(word));
	chunk_set(second, (chunk_word_size(word) - need) | CHUNK_IN_USE | CHUNK_PREV_IN_USE);
	chunk_set(c, need | (word & CHUNK_FLAGS));
	return second;
}

/* The chunk at mem, which has room for it, is cut so that it begins at a multiple of alignment. */
static void *align(struct chunk_heap *ch, char *mem, size_t alignment, size_t req)
{
	struct chunk *c;
	size_t lead;

	if (!mem)
		return NULL;
	lead = align_up((size_t)mem, alignment) - (size_t)mem;
	if (lead && lead < CHUNK_LEAST)
		lead += alignment;
	if (lead) {
		c = chunk_of(mem);
		mem = chunk_mem(cut(c, lead));
		release(ch, c, chunk_word(c));
	}
	ASSERT(is_aligned((uintptr_t)mem, alignment));
	heap_resize(ch, mem, req);
	return mem;
}

/* Room for a chunk that is aligned, and one before it that is none too small. */
static size_t aligned_need(size_t alignment, size_t req)
{
	return chunk_need(req) + alignment + CHUNK_LEAST - CHUNK_ALIGN;
}

void *heap_memalign(struct chunk_heap *ch, size_t alignment, size_t req)
{
	bool zero;

	ASSERT(is_power_of_two(alignment));
	if (alignment <= CHUNK_ALIGN)
		return heap_malloc(ch, req, NULL);
	if (req > HEAP_MAX_REQ || alignment > HEAP_MAX_REQ)
		return NULL;
	return align(ch, take(ch, aligned_need(alignment, req), &zero), alignment, req);
}

void *heap_memalign_held(struct chunk_heap *ch, size_t alignment, size_t req)
{
	bool zero;

	ASSERT(is_power_of_two(alignment));
	if (req > ch->system || alignment > ch->system)
		return NULL;
	if (alignment <= CHUNK_ALIGN)
		return find(ch, chunk_need(req), &zero, false);
	return align(ch, find(ch, aligned_need(alignment, req), &zero, false), alignment, req);
}

/* Makes the chunk in use c, whose header is word, one of need bytes, with what it lacks from a free
   chunk after it. */
static NOINLINE bool grow(struct chunk_heap *ch, struct chunk *c, uint64_t word, size_t need)
{
	uint64_t next_word;
	size_t csize = chunk_word_size(word), whole, dirty;
	struct chunk *next = chunk_at(c, csize);

	ASSERT(need > csize && next != ch->top);
	next_word = chunk_word(next);
	whole = csize + chunk_word_size(next_word);
	if (next_word & CHUNK_IN_USE || whole < need || !may_use(next, whole - csize, need - csize))
		return false;
	dirty = chunk_dirty(next, whole - csize);
	free_chunk_absorb(ch, next, next_word);
	need = split(ch, c, whole, need, dirty);
	chunk_set(c, need | (word & CHUNK_FLAGS));
	add_hot(&ch->in_use, need - csize);
	return true;
}

/* The same when what follows is top. */
static NOINLINE bool grow_into_top(struct chunk_heap *ch, struct chunk *c, uint64_t word,
				   size_t need)
{
	size_t more = need - chunk_word_size(word);

	ASSERT(need > chunk_word_size(word) && is_aligned(need, CHUNK_ALIGN));
	if (UNLIKELY(top_size(ch) < more + CHUNK_LEAST) && !top_extend(ch, more))
		return false;
	chunk_set(c, need | (word & CHUNK_FLAGS));
	top_move(ch, chunk_at(c, need));
	add_hot(&ch->in_use, more);
	return true;
}

static NOINLINE bool shrink(struct chunk_heap *ch, struct chunk *c, size_t need)
{
	c = cut(c, need);
	release(ch, c, chunk_word(c));
	return true;
}

bool heap_resize(struct chunk_heap *ch, void *mem, size_t req)
{
	struct chunk *c = chunk_in_use(mem, "realloc");
	uint64_t word;
	size_t csize, need;

	if (!c || req > HEAP_MAX_REQ)
		return false;
	ASSERT(((const struct heap *)pagemap_get(mem))->owner == ch);
	word = chunk_header(c) & CHUNK_WORD;
	csize = chunk_word_size(word);
	need = chunk_need(req);
	if (need > csize)
		return chunk_at(c, csize) == ch->top ? grow_into_top(ch, c, word, need)
						     : grow(ch, c, word, need);
	return csize - need < CHUNK_LEAST || shrink(ch, c, need);
}

UNSYNCHRONIZED void heap_sizes(const struct chunk_heap *ch, struct heap_sizes *ret_sizes)
{
	const struct heap *heap = load_relaxed(&ch->top_heap);
	const struct chunk *top = load_relaxed(&ch->top);
	size_t free, room = heap ? (size_t)(load_relaxed(&heap->end) - (char *)top) : 0;

	ret_sizes->system = load_relaxed(&ch->system);
	ret_sizes->in_use = load_relaxed(&ch->in_use);
	free = ret_sizes->system - ret_sizes->in_use;
	ret_sizes->free = free <= ret_sizes->system ? free : 0;
	ret_sizes->top = top && room - CHUNK_END <= ret_sizes->free ? room - CHUNK_END : 0;
	ret_sizes->free_chunks = load_relaxed(&ch->bins.count) + (top != NULL);
}

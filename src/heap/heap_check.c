/* A heap, chunk by chunk: heap_check(), and the reports of wrong pointers into it. */
#include "heap/heap.h"

#include "os/check.h"
#include "heap/top.h"
#include "report/report.h"

static const struct heap *heap_of(const void *p)
{
	const struct descriptor *tag = pagemap_get(p);

	return tag && tag->kind == KIND_HEAP ? (const struct heap *)tag : NULL;
}

static struct report_about about(const void *mem, const char *kind)
{
	const struct heap *heap = heap_of(mem);

	return (struct report_about){
		.mem = mem, .kind = kind, .arena = heap ? heap->owner->number : 0};
}

void chunk_report_header(const struct chunk *c)
{
	report_corruption("corrupted size vs. prev_size", about(chunk_mem(c), "header of a chunk"));
}

void chunk_report_links(const struct chunk *c)
{
	report_corruption("corrupted double-linked list",
			  about(chunk_mem(c), "links of a free chunk"));
}

bool chunk_has_header(const void *mem)
{
	const struct heap *heap = heap_of(mem);

	return heap && heap->base != mem;
}

static size_t size_unverified(const struct chunk *c)
{
	return chunk_word_size(c->header & CHUNK_WORD);
}

/* The header of c is sound and leads to no place beyond the heap. */
static bool is_sound(const struct heap *heap, const struct chunk *c)
{
	return chunk_verify(c) && size_unverified(c) >= CHUNK_LEAST &&
	       size_unverified(c) <= (size_t)(heap->end - CHUNK_END - (char *)c);
}

/* The chunk that p lies in, found from the heap's base; NULL when a header on the way is broken. */
static const struct chunk *chunk_around(const struct heap *heap, const char *p)
{
	const struct chunk *c = (const struct chunk *)heap->base;

	while ((char *)c < heap->end - CHUNK_END && is_sound(heap, c)) {
		const struct chunk *next = chunk_at(c, size_unverified(c));

		if (p < (char *)chunk_mem(next))
			return c;
		c = next;
	}
	return NULL;
}

const void *heap_chunk_around(const struct heap *heap, const void *mem, size_t *ret_usable,
			      bool *ret_in_use)
{
	const struct chunk *c = chunk_around(heap, mem);

	if (!c)
		return NULL;
	*ret_usable = size_unverified(c) - 8;
	*ret_in_use = c->header & CHUNK_IN_USE;
	return chunk_mem(c);
}

void heap_visit(const struct chunk_heap *ch,
		void (*visit)(const void *mem, size_t usable, void *arg), void *arg)
{
	for (const struct heap *heap = ch->heaps; heap; heap = heap->next) {
		const struct chunk *c = (const struct chunk *)heap->base;

		for (; (char *)c < heap->end - CHUNK_END && is_sound(heap, c);
		     c = chunk_at(c, size_unverified(c)))
			if (c->header & CHUNK_IN_USE)
				visit(chunk_mem(c), size_unverified(c) - 8, arg);
	}
}

/* The chunk was freed, and may have become part of a larger one, or of top, since. */
static void report_free(const struct heap *heap, const struct chunk *c, struct report_about about,
			const char *call)
{
	bool recut = c->header & CHUNK_RECUT || c == load_relaxed(&heap->owner->top);

	about.usable = size_unverified(c) - 8;
	if (recut)
		report_free_memory(call, about, true);
	else
		report_double_free(call, about);
}

/* What is known of the chunk that mem lies in. */
static struct report_about inside(const struct heap *heap, const void *mem)
{
	const struct chunk *c = chunk_around(heap, mem);
	struct report_about of_chunk = about(mem, "chunk");

	if (c) {
		of_chunk.usable = size_unverified(c) - 8;
		of_chunk.start = chunk_mem(c);
	}
	return of_chunk;
}

void chunk_report_mem(const void *mem, const char *call)
{
	struct report_about of_chunk = about(mem, "chunk");
	const struct heap *heap = heap_of(mem);
	const struct chunk *c;

	if (!is_aligned((uintptr_t)mem, CHUNK_ALIGN)) {
		report_misaligned_pointer(call, heap ? inside(heap, mem) : of_chunk);
		return;
	}
	if (!heap || heap->base == mem) {
		report_unknown_pointer(call, of_chunk);
		return;
	}
	c = chunk_of(mem);
	if (chunk_verify(c) && !(c->header & CHUNK_IN_USE)) {
		report_free(heap, c, of_chunk, call);
		return;
	}
	of_chunk = inside(heap, mem);
	if (!of_chunk.start || of_chunk.start == mem)
		chunk_report_header(c);
	report_interior_pointer(call, of_chunk);
}

/* Sums over the chunks of all heaps, and over the bins. */
struct sums {
	size_t system, in_use, free_chunks;
	uint64_t free_set; /* of the free chunks, where they are and how large */
};

static uint64_t fingerprint(const struct chunk *c, size_t csize)
{
	return mix64((uintptr_t)c ^ mix64(csize));
}

static bool sum_binned(struct chunk *c, size_t csize, void *arg)
{
	((struct sums *)arg)->free_set += fingerprint(c, csize);
	return true;
}

/* A free chunk other than top. */
static bool check_free(const struct chunk *c, size_t csize, struct sums *sums)
{
	const struct chunk *next = chunk_at(c, csize);

	sums->free_chunks++;
	sums->free_set += fingerprint(c, csize);
	return expect_eq("H8", c->header & CHUNK_PREV_IN_USE, CHUNK_PREV_IN_USE) &&
	       expect_eq("H8", next->prev_size, csize) &&
	       expect_eq("H7", next->header & CHUNK_PREV_IN_USE, 0);
}

static bool check_chunk(const struct chunk_heap *ch, const struct chunk *c, bool prev_in_use,
			struct sums *sums)
{
	uint64_t word = c->header & CHUNK_WORD;
	size_t csize = chunk_word_size(word);

	if (!expect_eq("H7", (word & CHUNK_PREV_IN_USE) != 0, prev_in_use) ||
	    !expect_eq("H6",
		       (word & (CHUNK_IS_END | CHUNK_IN_USE)) == (CHUNK_IS_END | CHUNK_IN_USE), 0))
		return false;
	if (c == ch->top)
		return expect_eq("H7", word, top_size(ch) | CHUNK_PREV_IN_USE);
	if (!(word & CHUNK_IN_USE))
		return check_free(c, csize, sums);
	sums->in_use += csize;
	return expect_eq("H9", word & CHUNK_UNSORTED, 0);
}

/* Whether the chunks lead to the heap's end, and what is there. */
static bool check_end(const struct chunk_heap *ch, const struct heap *heap, const struct chunk *c,
		      bool prev_in_use)
{
	uint64_t word = CHUNK_END | CHUNK_IS_END | CHUNK_IN_USE;

	if (!expect_eq("H6", (uintptr_t)c, (uintptr_t)heap->end - CHUNK_END))
		return false;
	return heap == ch->top_heap || (expect_eq("H6", chunk_verify(c), true) &&
					expect_eq("H7", c->header & CHUNK_WORD,
						  word | (prev_in_use ? CHUNK_PREV_IN_USE : 0)));
}

static bool check_heap(const struct chunk_heap *ch, const struct heap *heap, struct sums *sums)
{
	const struct chunk *c = (const struct chunk *)heap->base;
	bool prev_in_use = true;

	sums->system += (size_t)(heap->end - heap->base);
	sums->in_use += CHUNK_END;
	for (const char *page = heap->base; page < heap->end; page += PAGE_SIZE)
		if (!expect_eq("H11", (uintptr_t)pagemap_get(page), (uintptr_t)heap))
			return false;
	while ((char *)c < heap->end - CHUNK_END) {
		if (!expect_eq("H6", is_sound(heap, c), true) ||
		    !check_chunk(ch, c, prev_in_use, sums))
			return false;
		prev_in_use = (c->header & CHUNK_IN_USE) != 0;
		c = chunk_at(c, size_unverified(c));
	}
	return expect_eq("H6", (uintptr_t)heap->owner, (uintptr_t)ch) &&
	       check_end(ch, heap, c, prev_in_use);
}

bool heap_check(const struct chunk_heap *ch)
{
	struct sums sums = {0}, binned = {0};

	for (const struct heap *heap = ch->heaps; heap; heap = heap->next)
		if (!check_heap(ch, heap, &sums) ||
		    (heap->next && !expect_eq("H6", (uintptr_t)heap->next->prev, (uintptr_t)heap)))
			return false;
	if (!bins_check(&ch->bins))
		return false;
	bins_visit((struct bins *)&ch->bins, BINS_LAST, 1, sum_binned, &binned);
	return expect_eq("H9", ch->bins.count, sums.free_chunks) &&
	       expect_eq("H9", binned.free_set, sums.free_set) &&
	       expect_eq("H10", ch->system, sums.system) &&
	       expect_eq("H10", ch->in_use, sums.in_use);
}

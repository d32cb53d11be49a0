/* Bins against a table: the best fit is the best, and the invariants hold. */
#include "fuzz.h"

#include "heap/bins.h"
#include "heap/heap.h"

#include <stdalign.h>
#include <string.h>

enum { CHUNKS = PAGE_SIZE / sizeof(struct chunk) };

static alignas(PAGE_SIZE) struct chunk chunks[CHUNKS];
static uint64_t words[CHUNKS]; /* 0: not in the bins */
static struct bins bins;

static void take_out(uint32_t i)
{
	bins_remove(&bins, &chunks[i], words[i]);
	words[i] = 0;
}

static void put_in(uint32_t i, size_t csize, bool unsorted)
{
	words[i] = csize | CHUNK_PREV_IN_USE | (unsorted ? CHUNK_UNSORTED : 0);
	chunk_set(&chunks[i], words[i]);
	chunks[i].dirty = csize;
	bins_insert(&bins, &chunks[i], words[i]);
}

static void check_best(size_t csize)
{
	struct chunk *found = bins_best(&bins, csize);
	size_t best = 0;

	for (int i = 0; i < CHUNKS; i++) {
		size_t size = chunk_word_size(words[i]);

		if (words[i] && !(words[i] & CHUNK_UNSORTED) && size >= csize &&
		    (!best || size < best))
			best = size;
	}
	MUST(found ? chunk_size(found) == best : !best);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct chunk_heap owner;
	static struct heap heap = {.tag.kind = KIND_HEAP, .owner = &owner};
	struct choices c = {data, data + size};

	MUST(pagemap_reserve(chunks, sizeof chunks));
	/* links are followed in heaps only */
	pagemap_set(chunks, align_up(sizeof chunks, PAGE_SIZE), &heap.tag);
	memset(&bins, 0, sizeof bins);
	memset(words, 0, sizeof words);
	while (any_left(&c)) {
		uint32_t i = choose(&c, CHUNKS);
		size_t csize = (choose_size(&c, 30) & ~(size_t)15) + CHUNK_LEAST;

		if (words[i])
			take_out(i);
		else
			put_in(i, csize, choose(&c, 4) == 0);
		check_best((choose_size(&c, 30) & ~(size_t)15) + CHUNK_LEAST);
	}
	MUST(bins_check(&bins));
	return 0;
}

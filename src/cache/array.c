/* Arrays by size, from pools; see array.h. */
#include "cache/array.h"

#include "cache/shards.h"
#include "os/check.h"
#include "pages/metadata.h"

#define WORDS_LEAST 8
#define SIZES	    9

static_assert(WORDS_LEAST << (SIZES - 1) == ARRAY_MOST, "the largest is one of the sizes");

#define POOL_OF(n)                                                                                 \
	{                                                                                          \
		.size = WORDS_LEAST * sizeof(struct object *) << (n), .dirty = true                \
	}

static struct pool pools[SIZES] = {POOL_OF(0), POOL_OF(1), POOL_OF(2), POOL_OF(3), POOL_OF(4),
				   POOL_OF(5), POOL_OF(6), POOL_OF(7), POOL_OF(8)};

/*
 * Arrays that were freed, for the next who needs one, whoever it is. A slot is filled and emptied
 * by one atomic instruction each, and nothing else says that an array is there: who takes a pointer
 * out of a slot has the array, be it the one that lay there a moment ago or another one. So there
 * is no lock, and the child of a fork has nothing to mend. What does not fit goes to the pool, and
 * all while there is one shard, so that a process of few threads has no page more for it.
 */
#define SPARES 15

struct stock {
	ALIGNED(CACHE_LINE) struct object **spare[SPARES]; /* NULL: none; atomic */
	uint32_t last; /* the slot that was filled last and is not yet empty; a hint */
};

static_assert(sizeof(struct stock) == 2 * CACHE_LINE, "the hint takes the place of a slot");

static struct stock stocks[SHARDS][SIZES];

static unsigned size_of(uint32_t words)
{
	ASSERT(words && words <= ARRAY_MOST);
	return words <= WORDS_LEAST ? 0 : log2_ceil(words) - log2_floor(WORDS_LEAST);
}

static struct object **take(struct stock *stock)
{
	unsigned first = load_relaxed(&stock->last), slot = first;

	do {
		struct object **array = load_relaxed(&stock->spare[slot]);

		if (array)
			array = __atomic_exchange_n(&stock->spare[slot], NULL, __ATOMIC_ACQUIRE);
		if (array) {
			store_relaxed(&stock->last, slot);
			return array;
		}
		slot = slot ? slot - 1 : SPARES - 1;
	} while (slot != first);
	return NULL;
}

static bool keep(struct stock *stock, struct object **array)
{
	unsigned first = load_relaxed(&stock->last), slot = first;

	do {
		struct object **none = load_relaxed(&stock->spare[slot]);

		if (!none && __atomic_compare_exchange_n(&stock->spare[slot], &none, array, false,
							 __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
			store_relaxed(&stock->last, slot);
			return true;
		}
		slot = slot < SPARES - 1 ? slot + 1 : 0;
	} while (slot != first);
	return false;
}

/* From another shard, or from the pool. */
static NOINLINE struct object **alloc_elsewhere(unsigned size)
{
	unsigned here = shard_here(), nshards = shards_now();
	struct object **array = NULL;

	for (unsigned i = 1; i < nshards && !array; i++)
		array = take(&stocks[shard_near(here, i)][size]);
	return array ? array : pool_alloc_patiently(&pools[size]);
}

struct object **array_alloc(uint32_t words)
{
	unsigned size = size_of(words);
	struct object **array;

	if (!load_relaxed(&shards_log))
		return pool_alloc_patiently(&pools[size]);
	array = take(&stocks[shard_here()][size]);
	return LIKELY(array) ? array : alloc_elsewhere(size);
}

void array_free(struct object **array, uint32_t words)
{
	unsigned size = size_of(words);

	if (!load_relaxed(&shards_log) || !keep(&stocks[shard_here()][size], array))
		pool_free(&pools[size], array);
}

/* Arrays by size, from pools; see array.h. */
#include "cache/array.h"

#include "os/check.h"
#include "pages/metadata.h"

#define WORDS_LEAST 8
#define SIZES	    8

static_assert(WORDS_LEAST << (SIZES - 1) == ARRAY_MOST, "the largest is one of the sizes");

#define POOL_OF(n)                                                                                 \
	{                                                                                          \
		.size = WORDS_LEAST * sizeof(struct object *) << (n), .dirty = true                \
	}

static struct pool pools[SIZES] = {POOL_OF(0), POOL_OF(1), POOL_OF(2), POOL_OF(3),
				   POOL_OF(4), POOL_OF(5), POOL_OF(6), POOL_OF(7)};

static struct pool *pool_of(uint32_t words)
{
	ASSERT(words && words <= ARRAY_MOST);
	return &pools[words <= WORDS_LEAST ? 0 : log2_ceil(words) - log2_floor(WORDS_LEAST)];
}

struct object **array_alloc(uint32_t words)
{
	return pool_alloc_patiently(pool_of(words));
}

void array_free(struct object **array, uint32_t words)
{
	pool_free(pool_of(words), array);
}

/* The page map against a table of a few pages far apart. */
#include "fuzz.h"

#include "pages/pagemap.h"

enum { PLACES = 64 };

static struct descriptor descriptors[16];
static struct {
	struct descriptor *tag;
	uint16_t hot;
} shadow[PLACES];

/* At borders of leaves, and in them. */
static char *place(uint32_t i)
{
	uintptr_t leaf = ((uintptr_t)(i / 8) * 31 + 5) << LEAF_SHIFT;

	return (char *)(leaf + ((uintptr_t)(i % 8) - 4) * PAGE_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choices c = {data, data + size};

	for (int i = 0; i < 16; i++)
		descriptors[i].kind = KIND_SLAB;
	while (any_left(&c)) {
		uint32_t i = choose(&c, PLACES), n = 1 + choose(&c, 4);
		struct descriptor *tag = choose(&c, 2) ? &descriptors[choose(&c, 16)] : NULL;
		uint16_t hot = (uint16_t)choose(&c, tag ? 65536 : 1); /* P2 */

		if (i % 8 + n > 8)
			continue;
		MUST(pagemap_reserve(place(i), n * PAGE_SIZE));
		pagemap_set(place(i), n * PAGE_SIZE, tag);
		pagemap_set_hot(place(i), n * PAGE_SIZE, hot);
		for (uint32_t k = i; k < i + n; k++)
			shadow[k].tag = tag, shadow[k].hot = hot;
		i = choose(&c, PLACES);
		MUST(pagemap_get(place(i) + choose(&c, 4096)) == shadow[i].tag);
		MUST(pagemap_hot(place(i) + choose(&c, 4096)) == shadow[i].hot);
	}
	return 0;
}

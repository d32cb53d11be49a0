/* The buddy of page frames: blocks and runs do not overlap, what is said to be clean is, and the
   invariants hold. */
#include "fuzz.h"

#include "pages/pagemap.h"
#include "pages/zone.h"

#include <string.h>

enum { BLOCKS = 48 };

static struct descriptor tag = {.kind = KIND_RUN};
static struct {
	char *mem;
	size_t npages;
	int order; /* -1: pages */
} blocks[BLOCKS];

static bool all_zero(const char *mem, size_t nbytes)
{
	return !mem[0] && !memcmp(mem, mem + 1, nbytes - 1);
}

static void drop(uint32_t i)
{
	char *mem = blocks[i].mem;
	size_t nbytes = blocks[i].npages * PAGE_SIZE;

	if (!mem)
		return;
	for (size_t at = 0; at < nbytes; at += PAGE_SIZE)
		MUST(mem[at] == (char)i + 1 && mem[at + PAGE_SIZE - 1] == (char)i + 1);
	pagemap_set(mem, nbytes, NULL);
	if (blocks[i].order < 0)
		zone_free_pages(mem, blocks[i].npages);
	else
		zone_free(mem, (unsigned)blocks[i].order, nbytes);
	blocks[i].mem = NULL;
}

static void keep(uint32_t i, char *mem, size_t npages, int order, bool clean)
{
	size_t nbytes = npages * PAGE_SIZE;

	if (!mem)
		return;
	MUST(!clean || all_zero(mem, nbytes));
	for (size_t at = 0; at < nbytes; at += PAGE_SIZE)
		MUST(!pagemap_get(mem + at));
	pagemap_set(mem, nbytes, &tag);
	memset(mem, (char)i + 1, nbytes);
	blocks[i].mem = mem;
	blocks[i].npages = npages;
	blocks[i].order = order;
}

static void extend(uint32_t i, size_t more)
{
	size_t before = blocks[i].npages;

	if (!blocks[i].mem || blocks[i].order >= 0 ||
	    !zone_extend_pages(blocks[i].mem, before, before + more))
		return;
	pagemap_set(blocks[i].mem + before * PAGE_SIZE, more * PAGE_SIZE, &tag);
	memset(blocks[i].mem + before * PAGE_SIZE, (char)i + 1, more * PAGE_SIZE);
	blocks[i].npages += more;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choices c = {data, data + size};
	char *mem;
	bool clean;

	while (any_left(&c)) {
		uint32_t i = choose(&c, BLOCKS), order = choose(&c, ORDERS);
		size_t npages = 1 + choose(&c, 256);

		switch (choose(&c, 6)) {
		case 0:
			drop(i);
			mem = zone_alloc(order, &clean);
			keep(i, mem, (size_t)1 << order, (int)order, clean);
			break;
		case 1:
			drop(i);
			mem = zone_alloc_pages(npages, choose(&c, 7), &clean);
			keep(i, mem, npages, -1, clean);
			break;
		case 2:
			drop(i);
			mem = zone_alloc_with_room(npages, ORDER_MAX, &clean);
			keep(i, mem, npages, -1, clean);
			break;
		case 3:
			extend(i, 1 + choose(&c, 64));
			break;
		case 4:
			zone_purge((size_t)choose(&c, 1024) * PAGE_SIZE);
			break;
		default:
			drop(i);
		}
	}
	MUST(zone_check());
	for (uint32_t i = 0; i < BLOCKS; i++)
		drop(i);
	zone_unmap_free(false);
	MUST(zone_check());
	return 0;
}

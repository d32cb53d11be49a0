/* The pages bound: a set of page numbers, open addressing, at most half full. */
#include "resident.h"

#include <unistd.h>

enum { HUGE_BYTES = 2 << 20 };

/* A page number, or zero; the first page of memory holds no block. */
static uint64_t *slot;
static size_t nslots, room, npages;
static uint64_t page_bytes;

/* The table is kept for the next count; a larger one replaces it. */
void bound_start(uint64_t most_bytes)
{
	size_t need = 1 << 17;

	page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	while (need < 2 * (most_bytes / page_bytes))
		need *= 2;
	if (need > room) {
		slot = resident_table(need * sizeof *slot);
		room = need;
	}
	nslots = need;
	npages = 0;
	memset(slot, 0, nslots * sizeof *slot);
}

static size_t place_of(uint64_t page)
{
	size_t i = (size_t)(page * 0x9e3779b97f4a7c15 >> 20) & (nslots - 1);

	while (slot[i] && slot[i] != page)
		i = (i + 1) & (nslots - 1);
	return i;
}

static void add_page(uint64_t page)
{
	size_t i = place_of(page);

	if (slot[i])
		return;
	if (++npages > nslots / 2)
		workload_refuse("the blocks lie in more pages than bound_start() was told");
	slot[i] = page;
}

void bound_add(const struct block *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t first = (uint64_t)table[i].mem / page_bytes;
		uint64_t last = ((uint64_t)table[i].mem + table[i].nbytes - 1) / page_bytes;

		for (uint64_t page = first; table[i].mem && page <= last; page++)
			add_page(page);
	}
}

uint64_t bound_end(void)
{
	workload_sample();
	workload_sample_bound(npages * page_bytes);
	return npages * page_bytes;
}

size_t bound_whole_huge(void)
{
	uint64_t pages = HUGE_BYTES / page_bytes;
	size_t found = 0;

	for (size_t i = 0; i < nslots; i++) {
		uint64_t page = slot[i], k = 0;

		if (!page || page % pages)
			continue;
		while (k < pages && slot[place_of(page + k)])
			k++;
		found += k == pages;
	}
	return found;
}

/*
 * Replaces random ones of 20 buffers of 5 to 25 MiB, and writes all of each new one.
 *
 * The new buffer is allocated before the old one is freed, as an assignment does.
 *
 * Stands for: images, matrices, network and file buffers that are made anew for each piece of work.
 * Cares: programs whose memory is few large blocks: what counts is whether pages are used again or
 * come fresh from the system each time, and how much stays when they are freed.
 * Source: Leonid Stolyarov and Daan Leijen, malloc-large in mimalloc-bench (2021).
 */
#include "block.h"

enum { BUFFERS = 20, REPLACEMENTS = 1000 };

static const uint64_t smallest = 5 << 20, largest = 25 << 20;

int main(int argc, char **argv)
{
	struct workload_thread *self;
	struct block table[BUFFERS] = {0};
	uint64_t replacements;

	workload_start(argc, argv, "malloc_large", NULL);
	self = workload_main_thread();
	replacements = workload_scaled(REPLACEMENTS);
	for (uint64_t i = 0; i < replacements; i++) {
		struct block *place = &table[random_below(&self->random, BUFFERS)];
		struct block old = *place;

		block_alloc(self, place, random_between(&self->random, smallest, largest));
		memset(place->mem, (unsigned char)i, place->nbytes);
		workload_use(place->mem);
		block_free(self, &old);
		workload_sample();
	}
	return workload_end(block_free_all(self, table, BUFFERS));
}

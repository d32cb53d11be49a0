/*
 * Fills a heap with blocks of one range of sizes, frees nine in ten of them at random, and refills
 * it with blocks of another range, twelve times over.  What survives a phase takes its chance
 * again at the end of the next.
 *
 * Stands for: programs that read, then build, then answer: each phase leaves a few of its blocks
 * everywhere, and the next one wants other sizes.
 * Cares: whoever looks at resident memory after a load, a compaction or an index rebuild: pages
 * that hold one survivor each, and memory that can serve only the sizes it served first.
 * Source: ours, after the fragmentation workloads of Bobby Powers, David Tench, Emery Berger,
 * Andrew McGregor, "Mesh: compacting memory management for C/C++ applications" (PLDI 2019), and
 * the phases of programs in Mark Johnstone and Paul Wilson, "The memory fragmentation problem:
 * solved?" (ISMM 1998).
 */
#include "block.h"

enum {
	LIVE_BYTES = 64 << 20,
	LEAST_MEAN = 32, /* bytes of a block on average, in the phase where it is least */
	SURVIVORS = 10	 /* one in as many */
};

struct heap {
	struct block *block;
	size_t nblocks, room;
	uint64_t live, most; /* bytes of all blocks */
};

static const struct {
	uint32_t least, most;
} phase[] = {{16, 48},	 {100, 400}, {48, 80},	     {1000, 4000}, {16, 2000},	  {24, 120},
	     {512, 512}, {40, 40},   {4000, 100000}, {200, 300},   {2000, 20000}, {16, 1000}};

/* Every byte is written: pages that stay unwritten would not count as memory used. */
static void fill(struct workload_thread *self, struct heap *heap, uint32_t least, uint32_t most)
{
	while (heap->live < heap->most && heap->nblocks < heap->room) {
		size_t nbytes = random_between(&self->random, least, most);
		struct block *block = &heap->block[heap->nblocks++];

		block_alloc(self, block, nbytes);
		memset(block->mem, block->mem[0], nbytes);
		heap->live += nbytes;
	}
}

/* Frees random blocks until as many as `left` remain; the sum of what was read of them. */
static uint64_t thin(struct workload_thread *self, struct heap *heap, size_t left)
{
	uint64_t sum = 0;

	while (heap->nblocks > left) {
		struct block *block = &heap->block[random_below(&self->random, heap->nblocks)];

		sum += block_read(block);
		heap->live -= block->nbytes;
		block_free(self, block);
		*block = heap->block[--heap->nblocks];
	}
	return sum;
}

int main(int argc, char **argv)
{
	struct workload_thread *self;
	struct heap heap = {0};
	uint64_t checksum = 0;

	workload_start(argc, argv, "phase_change", NULL);
	self = workload_main_thread();
	heap.most = workload_scaled(LIVE_BYTES);
	heap.room = heap.most / LEAST_MEAN + 1;
	heap.block = workload_table(heap.room * sizeof *heap.block);
	for (size_t i = 0; i < sizeof phase / sizeof *phase; i++) {
		fill(self, &heap, phase[i].least, phase[i].most);
		checksum = checksum * 31 + thin(self, &heap, heap.nblocks / SURVIVORS);
	}
	return workload_end(checksum * 31 + thin(self, &heap, 0));
}

/*
 * A compiler's memory: for each function an arena of chunks that double from 4 to 256 KiB, and
 * tables beside it; at the end of the function all is freed in reverse.
 *
 * Objects of 16 to 400 bytes are cut from the chunks without a call of malloc.  Beside every 16 of
 * them one is allocated by itself, of 24 to 1,000 bytes.  Functions have 50 to 20,000 objects, most
 * of them few.  One object in 200 goes to a second arena, that of the file, which is freed after
 * 300 functions.
 *
 * Stands for: compilers, parsers and solvers with regions or obstacks.
 * Cares: those who wrote an arena to be rid of malloc: what its chunks cost, which come and go
 * together, the last one first.
 * Source: David Hanson, "Fast allocation and deallocation of memory based on object lifetimes"
 * (1990), and the chapter on obstacks in the manual of the GNU C library.
 */
#include "block.h"

enum {
	FUNCTIONS = 150000,
	FILE_FUNCTIONS = 300,
	CHUNKS = 256, /* of an arena, at most */
	FIRST_CHUNK = 4096,
	LARGEST_CHUNK = 256 << 10,
	SMALLEST_OBJECTS = 50,
	OBJECTS_LOGS = 8, /* doublings of that, and a bit */
	BESIDE = 16,
	LATER = 200
};

struct arena {
	size_t nchunks, used; /* used: bytes of the last chunk */
	struct block chunk[CHUNKS];
};

/* Cuts off and writes nbytes. */
static void arena_add(struct workload_thread *self, struct arena *arena, size_t nbytes)
{
	struct block *last = arena->nchunks ? &arena->chunk[arena->nchunks - 1] : NULL;

	if (!last || arena->used + nbytes > last->nbytes) {
		size_t chunk = last ? 2 * last->nbytes : FIRST_CHUNK;

		last = &arena->chunk[arena->nchunks++];
		block_alloc(self, last, chunk < LARGEST_CHUNK ? chunk : LARGEST_CHUNK);
		arena->used = 0;
	}
	memset(last->mem + arena->used, (int)nbytes, nbytes);
	arena->used += nbytes;
	workload_use(last->mem);
}

/* Frees blocks, the last one first; the sum of what was read. */
static uint64_t free_in_reverse(struct workload_thread *self, struct block *block, size_t n)
{
	uint64_t sum = 0;

	while (n-- > 0) {
		sum += block_read(&block[n]);
		block_free(self, &block[n]);
	}
	return sum;
}

static uint64_t arena_end(struct workload_thread *self, struct arena *arena)
{
	uint64_t sum = free_in_reverse(self, arena->chunk, arena->nchunks);

	arena->nchunks = 0;
	return sum;
}

static uint64_t compile(struct workload_thread *self, struct arena *file, struct block *beside)
{
	static struct arena arena;
	struct random *r = &self->random;
	uint64_t least = (uint64_t)SMALLEST_OBJECTS
			 << (random_below(r, OBJECTS_LOGS) * random_below(r, OBJECTS_LOGS + 1) /
			     OBJECTS_LOGS);
	uint64_t n = random_between(r, least, 3 * least), sum;
	size_t nbeside = 0;

	for (uint64_t i = 0; i < n; i++) {
		bool later = random_below(r, LATER) == 0;

		arena_add(self, later ? file : &arena, random_between(r, 16, 400));
		if (i % BESIDE == 0)
			block_fill(self, &beside[nbeside++], random_between(r, 24, 1000));
	}
	sum = free_in_reverse(self, beside, nbeside);
	return sum + arena_end(self, &arena);
}

int main(int argc, char **argv)
{
	static struct arena file;
	static struct block beside[(SMALLEST_OBJECTS * 3 << OBJECTS_LOGS) / BESIDE + 1];
	struct workload_thread *self;
	uint64_t functions, sum = 0;

	workload_start(argc, argv, "obstacks", NULL);
	self = workload_main_thread();
	functions = workload_scaled(FUNCTIONS);
	for (uint64_t i = 1; i <= functions; i++) {
		sum += compile(self, &file, beside);
		if (i % FILE_FUNCTIONS == 0)
			sum += arena_end(self, &file);
	}
	return workload_end(sum + arena_end(self, &file));
}

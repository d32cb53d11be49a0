/* Shards; see shards.h. */
#include "cache/shards.h"

static_assert(SHARDS <= 32 && (SHARDS & (SHARDS - 1)) == 0, "a thread's is chosen by bits");

uint32_t shards_log;

void shards_set_threads(size_t nthreads, size_t ncpus)
{
	size_t running = smaller(nthreads, ncpus);
	size_t n = smaller((running + SHARD_THREADS - 1) / SHARD_THREADS, SHARDS);

	if (n && log2_ceil(n) > load_relaxed(&shards_log))
		store_relaxed(&shards_log, log2_ceil(n));
}

/*
 * Shards: what many threads share is there several times, and a thread uses first that of its own
 * shard, which it shares with few others.
 *
 * There is one shard up to SHARD_THREADS threads that can run at once, and twice as many for twice
 * as many. The number never falls. What lies in a shard is found by threads of others too, so
 * nothing is lost where one is chosen anew.
 */
#pragma once

#include "base/bits.h"

#define SHARDS	      32u
#define SHARD_THREADS 2 /* of a shard */

extern HIDDEN uint32_t shards_log; /* how often their number was doubled; atomic */

static inline unsigned shards_now(void)
{
	return 1u << load_relaxed(&shards_log);
}

/* Called when the number of threads changes; at most ncpus of them run at once. */
void shards_set_threads(size_t nthreads, size_t ncpus);

/* The calling thread's shard, below shards_now(). */
static inline unsigned shard_here(void)
{
	return (unsigned)(thread_self() * SPREAD >> 32 >> (32 - load_relaxed(&shards_log)));
}

/* The i-th shard in which to look, i below the number of shards at that time: the thread's own is
   the first, and each thread goes on in another order. */
static inline unsigned shard_near(unsigned here, unsigned i)
{
	return here ^ i;
}

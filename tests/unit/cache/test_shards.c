/* Shards: how many there are, and which is a thread's. */
#include "cache/shards.h"

#include "test.h"

TEST(at_first_there_is_one)
{
	EXPECT_EQ(shards_now(), 1);
	EXPECT_EQ(shard_here(), 0);
	shards_set_threads(1, 100);
	EXPECT_EQ(shards_now(), 1);
}

TEST(the_number_follows_threads_and_never_falls)
{
	for (unsigned threads = 1; threads < 1000; threads++) {
		store_relaxed(&shards_log, 0);
		shards_set_threads(threads, 1000);
		EXPECT_EQ(shards_now() & (shards_now() - 1), 0);
		EXPECT(shards_now() <= SHARDS);
		EXPECT(shards_now() == SHARDS || shards_now() * SHARD_THREADS >= threads);
		EXPECT(shards_now() == 1 || shards_now() / 2 * SHARD_THREADS < threads);
	}
	shards_set_threads(1, 1000);
	EXPECT_EQ(shards_now(), SHARDS);
	store_relaxed(&shards_log, 0);
	shards_set_threads(1000, SHARD_THREADS);
	EXPECT_EQ(shards_now(), 1); /* as many as can run */
}

TEST(a_threads_shard_is_one_of_them)
{
	for (uint32_t log = 0; log <= 5; log++) {
		store_relaxed(&shards_log, log);
		EXPECT(shard_here() < shards_now());
		EXPECT_EQ(shard_here(), shard_here());
	}
	store_relaxed(&shards_log, 0);
}

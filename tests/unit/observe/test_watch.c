/* Every call comes to the slow path, where it can be seen. */
#include "observe/watch.h"

#include "../cache/threads.h"

enum { SIZE = 64 };

TEST(when_all_is_watched_nothing_takes_the_fast_path)
{
	struct magazine *m = filled(SIZE, 20);
	void *mem = loam_malloc(SIZE);

	EXPECT(pagemap_hot(mem) != 0);
	EXPECT(cache_is_plain());
	fast_limit_counted = FAST_GRANULES; /* as where allocations are counted */
	watch_all();
	EXPECT(!cache_is_plain());
	EXPECT_EQ(fast_limit, 0);
	EXPECT_EQ(fast_limit_counted, 0);
	EXPECT_EQ(pagemap_hot(mem), 0);
	loam_free(mem);
	EXPECT_EQ(magazine_count(m), 20);
	loam_free(loam_malloc(SIZE));
	EXPECT(loam_check());
}

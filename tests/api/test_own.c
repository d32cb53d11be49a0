/* What loam.h has beside the twins of libc's names: loam_owns, loam_version, loam_check,
   loam_stats. */
#include "names.h"

#include <sys/mman.h>

TEST(loam_owns_what_it_gave)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t n = sizes[i];
		void *all[] = {malloc(n), calloc(1, n), realloc(NULL, n), memalign(4096, n),
			       memalign((size_t)8 << 20, n)};

		for (size_t j = 0; j < sizeof all / sizeof all[0]; j++) {
			EXPECT(loam_owns(all[j]));
			free(all[j]);
		}
	}
}

TEST(loam_owns_nothing_else)
{
	static char data[64];
	char local[64];
	void *of_libc = (malloc)(1000), *large_of_libc = (malloc)(1 << 20);
	void *mapped = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(mapped != MAP_FAILED);
	EXPECT(!loam_owns(NULL));
	EXPECT(!loam_owns(data));
	EXPECT(!loam_owns(local));
	EXPECT(!loam_owns("text"));
	EXPECT(!loam_owns(of_libc));
	EXPECT(!loam_owns(large_of_libc));
	EXPECT(!loam_owns(mapped));
	EXPECT(!loam_owns((void *)UINTPTR_MAX));
	EXPECT(!loam_owns((void *)((uintptr_t)1 << 63)));
	munmap(mapped, 4096);
	(free)(of_libc);
	(free)(large_of_libc);
}

TEST(the_version_is_three_numbers)
{
	int major, minor, patch, length = 0;

	EXPECT_EQ(sscanf(loam_version(), "%d.%d.%d%n", &major, &minor, &patch, &length), 3);
	EXPECT_EQ(loam_version()[length], '\0');
}

/* Proved with objects of every size live, and with holes between them. */
TEST(the_heap_proves_sound)
{
	enum { BLOCKS = 2000 };
	static void *blocks[BLOCKS];
	uint64_t state = test_seed();

	EXPECT(loam_check());
	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i] = malloc(test_random(&state) % ((size_t)16 << test_random(&state) % 16));
	EXPECT(loam_check());
	for (size_t i = 0; i < BLOCKS; i += 2)
		free(blocks[i]);
	EXPECT(loam_check());
	for (size_t i = 1; i < BLOCKS; i += 2)
		free(blocks[i]);
	EXPECT(loam_check());
}

TEST(loam_stats_says_what_mallinfo_says)
{
	void *all[SIZES], *huge = malloc((size_t)20 << 20);
	struct loam_stats stats;
	struct mallinfo2 info;

	for (size_t i = 0; i < SIZES; i++)
		all[i] = malloc(sizes[i]);
	EXPECT_EQ(loam_stats(&stats, sizeof stats), 0);
	info = mallinfo2();
	EXPECT_EQ(stats.live_bytes, info.uordblks + info.hblkhd);
	EXPECT_EQ(stats.huge_bytes, info.hblkhd);
	EXPECT_EQ(stats.cached_bytes + stats.free_bytes - stats.kept_huge_bytes, info.fordblks);
	for (size_t i = 0; i < SIZES; i++)
		free(all[i]);
	free(huge);
}

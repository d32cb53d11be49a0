/* The entry points: what the suites under tests/api prove of the whole, on a system that refuses. */
#include "api/alloc.h"

#include "base/options.h"
#include "os_sim.h"
#include "pages/run.h"
#include "test.h"

#include <errno.h>
#include <loam/loam.h>
#include <string.h>

TEST(the_first_call_starts_loam)
{
	EXPECT_EQ(fast_limit, 0);
	loam_free(loam_malloc(10));
	EXPECT_EQ(fast_limit, FAST_GRANULES);
}

TEST(impossible_sizes_are_enomem)
{
	void *mem = loam_malloc(100);

	errno = 0;
	EXPECT(!loam_malloc(SIZE_MAX));
	EXPECT_EQ(errno, ENOMEM);
	errno = 0;
	EXPECT(!loam_calloc(SIZE_MAX / 2, 3));
	EXPECT_EQ(errno, ENOMEM);
	errno = 0;
	EXPECT(!loam_reallocarray(mem, SIZE_MAX / 2, 3));
	EXPECT_EQ(errno, ENOMEM);
	errno = 0;
	EXPECT(!loam_realloc(mem, (size_t)PTRDIFF_MAX + 1));
	EXPECT_EQ(errno, ENOMEM);
	loam_free(mem);
}

TEST(calloc_is_zero_on_used_memory_of_every_kind)
{
	for (size_t nbytes = 1; nbytes < 20 * MIB; nbytes = nbytes * 3 + 1)
		for (int i = 0; i < 40; i++) {
			unsigned char *mem = loam_calloc(1, nbytes);

			REQUIRE(mem);
			for (size_t b = 0; b < nbytes; b += b < 4096 ? 1 : 509)
				REQUIRE(mem[b] == 0);
			memset(mem, 0xff, nbytes < 2 * MIB ? nbytes : 2 * MIB);
			loam_free(mem);
		}
}

TEST(realloc_keeps_contents_through_all_kinds)
{
	unsigned char *mem = loam_malloc(1);
	size_t had = 1;

	*mem = 0x77;
	for (size_t nbytes = 2; nbytes < 40 * MIB; nbytes = nbytes * 2 + 7) {
		mem = loam_realloc(mem, nbytes);
		REQUIRE(mem && mem[0] == 0x77 && mem[had - 1] == 0x77);
		mem[nbytes - 1] = 0x77;
		had = nbytes;
	}
	for (size_t nbytes = had; nbytes > 1; nbytes /= 3) {
		mem = loam_realloc(mem, nbytes);
		REQUIRE(mem && mem[0] == 0x77);
	}
	EXPECT(!loam_realloc(mem, 0));
	EXPECT(loam_check());
}

TEST(a_run_that_cannot_grow_moves_and_a_huge_one_becomes_small)
{
	char *a = loam_malloc(MIB), *b = loam_malloc(MIB), *c = loam_malloc(MIB);

	memset(a, 1, MIB);
	a = loam_realloc(a, 3 * MIB);
	EXPECT_EQ(a[MIB - 1], 1);
	a = loam_realloc(a, 9 * MIB);
	EXPECT_EQ(a[MIB - 1], 1);
	a = loam_realloc(a, 1000);
	EXPECT_EQ(a[999], 1);
	EXPECT(loam_malloc_usable_size(a) < 4 * KIB);
	loam_free(a);
	loam_free(b);
	loam_free(c);
	EXPECT(loam_check());
}

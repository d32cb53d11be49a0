/* The first call, while which others call: code of others that loam came to, in the same thread. */
#include "api/start.h"

#include "base/bits.h"
#include "os_sim.h"
#include "test.h"

#include <loam/loam.h>
#include <string.h>

#define SIZES 6

static const size_t sizes[SIZES] = {0, 24, 1000, 40000, 300000, 5000000};

static char *given[SIZES], *cleared[SIZES], *aligned[SIZES];
static int nested;

/* Every function serves, though nothing of loam is there. */
static void call_while_it_starts(void)
{
	nested++;
	EXPECT(!start());
	for (int i = 0; i < SIZES; i++) {
		given[i] = loam_malloc(sizes[i]);
		cleared[i] = loam_calloc(1, sizes[i]);
		aligned[i] = loam_aligned_alloc(4096, sizes[i]);
		REQUIRE(given[i] && cleared[i] && aligned[i]);
		EXPECT(is_aligned((uintptr_t)aligned[i], 4096));
		EXPECT(loam_malloc_usable_size(given[i]) >= sizes[i]);
		memset(given[i], i, sizes[i]);
		for (size_t k = 0; k < sizes[i]; k += 100)
			EXPECT_EQ(cleared[i][k], 0);
		cleared[i] = loam_realloc(cleared[i], 2 * sizes[i] + 1);
		REQUIRE(cleared[i]);
		loam_free(loam_malloc(sizes[i]));
	}
	loam_mallinfo2();
	loam_malloc_trim(0);
}

TEST(who_starts_it_is_served_meanwhile)
{
	char *mem;

	os_sim_at_start(call_while_it_starts);
	mem = loam_malloc(100);
	REQUIRE(mem);
	EXPECT_EQ(nested, 1);
	EXPECT(start());
	loam_free(mem);
}

TEST(what_was_given_meanwhile_is_freed_and_grows)
{
	for (int i = 0; i < SIZES; i++) {
		given[i] = loam_realloc(given[i], sizes[i] + 5000);
		REQUIRE(given[i]);
		for (size_t k = 0; k < sizes[i]; k++)
			EXPECT_EQ(given[i][k], i);
		loam_free(given[i]);
		loam_free(cleared[i]);
		loam_free(aligned[i]);
	}
	EXPECT(loam_check());
}

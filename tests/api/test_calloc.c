/* calloc: zero on fresh and on dirty memory, of every size; and untouched memory costs nothing. */
#include "names.h"

static void expect_zero(size_t n, size_t size)
{
	unsigned char *p = calloc(n, size);

	REQUIRE(p != NULL);
	EXPECT(all_zero(p, n * size));
	memset(p, 0xee, malloc_usable_size(p));
	free(p);
}

TEST(fresh_and_reused_memory_is_zero)
{
	for (size_t i = 0; i < SIZES; i++)
		for (int again = 0; again < 4; again++)
			expect_zero(1, sizes[i]);
	for (size_t n = 1; n < 3000; n++)
		expect_zero(n, 1 + n % 3);
}

/* Dirty memory comes back through every door: same size, split, merged, resized. */
TEST(memory_of_any_history_is_zero)
{
	enum { BLOCKS = 3000, STEPS = 60000 };
	static unsigned char *blocks[BLOCKS];
	uint64_t state = test_seed();

	for (int step = 0; step < STEPS; step++) {
		size_t at = test_random(&state) % BLOCKS;
		size_t n = 1 + test_random(&state) % ((size_t)16 << test_random(&state) % 12);
		unsigned char *p = blocks[at];

		if (p && test_random(&state) % 4 == 0) {
			blocks[at] = realloc(p, n);
			REQUIRE(blocks[at] != NULL);
			memset(blocks[at], 0xdd, malloc_usable_size(blocks[at]));
			continue;
		}
		free(p);
		p = calloc(1, n);
		REQUIRE(p != NULL);
		if (!EXPECT(all_zero(p, n)))
			printf("    calloc(1, %zu) at step %d\n", n, step);
		memset(p, 0xee, malloc_usable_size(p));
		blocks[at] = p;
	}
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i]);
}

TEST(large_memory_of_any_history_is_zero)
{
	enum { BLOCKS = 8, STEPS = 120 };
	unsigned char *blocks[BLOCKS] = {NULL};
	uint64_t state = test_seed();

	for (int step = 0; step < STEPS; step++) {
		size_t at = test_random(&state) % BLOCKS;
		size_t n = 1 + test_random(&state) % ((size_t)64 << 10 << test_random(&state) % 8);

		free(blocks[at]);
		blocks[at] = calloc(n, 1);
		REQUIRE(blocks[at] != NULL);
		EXPECT(all_zero(blocks[at], n));
		memset(blocks[at], 0xcc, n);
	}
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i]);
}

TEST(nothing_asked_is_still_an_object)
{
	void *p = calloc(0, 0), *q = calloc(0, too_large), *r = calloc(too_large, 0);

	EXPECT(distinct(p, q) && distinct(q, r) && distinct(p, r));
	free(p);
	free(q);
	free(r);
}

TEST(sparse_memory_costs_what_is_touched)
{
	const size_t n = (size_t)4 << 30;
	size_t before = resident(), after;
	unsigned char *p;

	if (test_emulated)
		test_skip("what the emulator has in RAM for each page counts");
	p = calloc(n / 8, 8);
	REQUIRE(p != NULL);
	for (size_t i = 0; i < 1000; i++)
		EXPECT_EQ(p[i * (n / 1000)], 0);
	p[n - 1] = 1;
	p[n / 2] = 1;
	after = resident(); /* less, where what other tests left has gone back meanwhile */
	if (!EXPECT(after < before + ((size_t)16 << 20)))
		printf("    %zu KiB for a thousand pages read\n", (after - before) >> 10);
	free(p);
	EXPECT(resident() < before + ((size_t)16 << 20));
}

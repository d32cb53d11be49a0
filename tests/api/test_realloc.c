/* realloc and reallocarray: content kept, zero frees, and a failure changes nothing. */
#include "names.h"

/* Resizes an object from every size to every other: what fits in both is kept. */
TEST(content_is_kept_from_any_size_to_any_other)
{
	for (size_t i = 0; i < SIZES; i++)
		for (size_t j = 0; j < SIZES; j++) {
			size_t from = sizes[i], to = sizes[j], both = from < to ? from : to;
			unsigned char *p;

			/* the middle of what is large is left to the next test */
			size_t checked = both < 10000 ? both : 10000;

			p = malloc(from);
			REQUIRE(p != NULL);
			pattern_put(p, checked, (unsigned)i);
			p[both - 1] = 0xe1;
			p = realloc(p, to);
			REQUIRE(p != NULL);
			EXPECT(malloc_usable_size(p) >= to);
			EXPECT(pattern_holds(p, checked - 1, (unsigned)i));
			EXPECT_EQ(p[both - 1], 0xe1);
			p[to - 1] = 1;
			free(p);
		}
}

TEST(content_is_kept_growing_and_shrinking)
{
	const size_t most = (size_t)64 << 20;
	unsigned char *p = malloc(1);
	size_t n = 1;

	REQUIRE(p != NULL);
	pattern_put(p, n, 7);
	while (n < most) {
		size_t more = n + n / 2 + 1;

		p = realloc(p, more);
		REQUIRE(p != NULL);
		EXPECT(pattern_holds(p, n, 7));
		n = more;
		pattern_put(p, n, 7);
	}
	while (n > 1) {
		n = n * 2 / 3;
		p = realloc(p, n);
		REQUIRE(p != NULL);
		EXPECT(pattern_holds(p, n, 7));
	}
	free(p);
}

/* With neighbours on both sides, growing in place has to stop where they begin. */
TEST(neighbours_keep_their_content)
{
	enum { BLOCKS = 500, STEPS = 40 };
	static unsigned char *blocks[BLOCKS];
	static size_t lengths[BLOCKS];
	uint64_t state = test_seed();

	for (unsigned i = 0; i < BLOCKS; i++) {
		lengths[i] = 1 + test_random(&state) % 200;
		blocks[i] = malloc(lengths[i]);
		REQUIRE(blocks[i] != NULL);
		pattern_put(blocks[i], lengths[i], i);
	}
	for (int step = 0; step < STEPS; step++)
		for (unsigned i = 0; i < BLOCKS; i++) {
			size_t n =
				1 + test_random(&state) % ((size_t)200 << test_random(&state) % 8);
			size_t both = n < lengths[i] ? n : lengths[i];

			blocks[i] = realloc(blocks[i], n);
			REQUIRE(blocks[i] != NULL);
			EXPECT(pattern_holds(blocks[i], both, i));
			lengths[i] = n;
			pattern_put(blocks[i], n, i);
		}
	for (unsigned i = 0; i < BLOCKS; i++) {
		EXPECT(pattern_holds(blocks[i], lengths[i], i));
		free(blocks[i]);
	}
}

TEST(realloc_of_null_allocates)
{
	for (size_t i = 0; i < SIZES; i++) {
		void *p = realloc(NULL, sizes[i]), *q = reallocarray(NULL, sizes[i], 1);

		REQUIRE(p && q);
		EXPECT(distinct(p, q));
		EXPECT(malloc_usable_size(p) >= sizes[i]);
		EXPECT(malloc_usable_size(q) >= sizes[i]);
		free(p);
		free(q);
	}
	{
		void *p = realloc(NULL, 0);

		EXPECT(p != NULL);
		free(p);
	}
}

/* Were it not freed, the loop would hold 16 GiB and more. */
TEST(realloc_to_nothing_frees)
{
	size_t before = resident();

	for (size_t i = 0; i < 16384; i++) {
		size_t n = i % 4 ? 100000 : (size_t)4 << 20;
		char *p = malloc(n);

		REQUIRE(p != NULL);
		for (size_t at = 0; at < n; at += 4096)
			p[at] = 1;
		errno = ERRNO_CANARY;
		if (i % 2)
			EXPECT_EQ(realloc(p, 0), NULL);
		else
			EXPECT_EQ(reallocarray(p, 0, 8), NULL);
		EXPECT_EQ(errno, ERRNO_CANARY);
		if (i == 100 || i == 16383)
			REQUIRE(resident() < before + ((size_t)64 << 20));
	}
}

TEST(a_failure_leaves_the_object)
{
	volatile size_t refused = (size_t)PTRDIFF_MAX - 65536;

	for (size_t i = 0; i < SIZES; i++) {
		size_t n = sizes[i];
		unsigned char *p = malloc(n);

		REQUIRE(p != NULL);
		pattern_put(p, n, 3);
		EXPECT_EQ(realloc(p, too_large), NULL);
		EXPECT_EQ(realloc(p, refused), NULL);
		EXPECT_EQ(reallocarray(p, too_large, 4), NULL);
		EXPECT(malloc_usable_size(p) >= n);
		EXPECT(pattern_holds(p, n, 3));
		p = realloc(p, n + 1);
		REQUIRE(p != NULL);
		EXPECT(pattern_holds(p, n, 3));
		free(p);
	}
}

TEST(reallocarray_multiplies)
{
	unsigned char *p = reallocarray(NULL, 10, 1000);

	REQUIRE(p != NULL);
	EXPECT(malloc_usable_size(p) >= 10000);
	pattern_put(p, 10000, 5);
	p = reallocarray(p, 1000, 1000);
	REQUIRE(p != NULL);
	EXPECT(malloc_usable_size(p) >= 1000000);
	EXPECT(pattern_holds(p, 10000, 5));
	free(p);
}

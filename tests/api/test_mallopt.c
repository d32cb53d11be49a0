/* mallopt: what it returns, and what the parameters that act do. */
#include "names.h"

#define MIB ((size_t)1 << 20)

TEST(every_parameter_is_taken)
{
	EXPECT_EQ(mallopt(M_MXFAST, 64), 1);
	EXPECT_EQ(mallopt(M_MXFAST, 0), 1);
	EXPECT_EQ(mallopt(M_MXFAST, 128), 1);
	EXPECT_EQ(mallopt(M_MMAP_MAX, 65536), 1);
	EXPECT_EQ(mallopt(M_CHECK_ACTION, 3), 1);
	EXPECT_EQ(mallopt(M_ARENA_TEST, 8), 1);
	EXPECT_EQ(mallopt(M_ARENA_MAX, 100), 1);
	EXPECT_EQ(mallopt(M_PERTURB, 0), 1);
	EXPECT_EQ(mallopt(M_MMAP_THRESHOLD, 128 << 10), 1);
	EXPECT_EQ(mallopt(M_TRIM_THRESHOLD, 128 << 10), 1);
	EXPECT_EQ(mallopt(M_TOP_PAD, 128 << 10), 1);
}

TEST(what_has_no_meaning_is_taken_too)
{
	EXPECT_EQ(mallopt(M_ARENA_TEST, 0), 1);
	EXPECT_EQ(mallopt(M_ARENA_TEST, -1), 1);
	EXPECT_EQ(mallopt(M_ARENA_MAX, 0), 1);
	EXPECT_EQ(mallopt(M_ARENA_MAX, -3), 1);
	EXPECT_EQ(mallopt(12345, 1), 1);
	EXPECT_EQ(mallopt(-100, 1), 1);
}

static bool filled(const unsigned char *p, size_t n, unsigned char byte)
{
	return p[0] == byte && memcmp(p, p + 1, n - 1) == 0;
}

/* Fresh memory has the complement of the byte; what calloc gives is zero as ever. */
TEST(perturb_fills_fresh_memory)
{
	static const size_t lengths[] = {40, 700, 5000, 40000, 200000, 5000000};

	EXPECT_EQ(mallopt(M_PERTURB, 0x5a), 1);
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		size_t n = lengths[i];
		unsigned char *p = malloc(n), *q = calloc(1, n), *aligned = memalign(256, n);

		EXPECT(filled(p, n, 0xa5));
		EXPECT(all_zero(q, n));
		EXPECT(filled(aligned, n, 0xa5));
		free(aligned);
		free(p);
		free(q);
#ifndef API_GLIBC /* its thread cache fills nothing */
		for (int again = 0; again < 100; again++) {
			p = malloc(n);
			EXPECT(filled(p, n, 0xa5));
			pattern_put(p, n, 1);
			free(p);
		}
#endif
	}
	EXPECT_EQ(mallopt(M_PERTURB, 0), 1);
}

/* Large enough for no slab, small enough for no mapping. */
enum { BLOCKS = 100, LENGTH = 50000 };

static void *blocks[BLOCKS];

static void fill_top(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(LENGTH);
		REQUIRE(blocks[i] != NULL);
	}
}

static void empty_top(void)
{
	for (int i = BLOCKS; i-- > 0;)
		free(blocks[i]);
}

#if defined(API_LOAM)

/* The process's malloc is libc's, which grows by brk. */
TEST(nothing_grows_by_brk_beside_libcs_malloc)
{
	char *before = sbrk(0);

	EXPECT_EQ(mallopt(M_TOP_PAD, 16 * MIB), 1);
	fill_top();
	empty_top();
	EXPECT_EQ(sbrk(0), before);
	EXPECT_EQ(mallopt(M_TOP_PAD, 128 << 10), 1);
}

#else

TEST(top_grows_by_the_pad)
{
	char *before = sbrk(0);

	EXPECT_EQ(mallopt(M_TOP_PAD, 16 * MIB), 1);
	fill_top();
	EXPECT((char *)sbrk(0) >= before + 16 * MIB);
	empty_top();
	EXPECT_EQ(mallopt(M_TOP_PAD, 128 << 10), 1);
	malloc_trim(0);
}

TEST(top_shrinks_above_the_threshold)
{
	char *before, *with;

	EXPECT_EQ(mallopt(M_TRIM_THRESHOLD, 1 << 30), 1);
	fill_top();
	with = sbrk(0);
	empty_top();
	EXPECT_EQ(sbrk(0), with);
	EXPECT_EQ(mallopt(M_TRIM_THRESHOLD, 256 << 10), 1);
	malloc_trim(0);
	before = sbrk(0);
	fill_top();
	with = sbrk(0);
	EXPECT(with > before + 4 * MIB);
	empty_top();
	EXPECT((char *)sbrk(0) < with - 4 * MIB);
}

#endif

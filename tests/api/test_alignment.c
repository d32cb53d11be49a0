/*
 * Alignment: 16 bytes for every object, what was asked for from the functions
 * that take one, and such objects are freed and resized as any other.
 */
#include "names.h"

#define ALIGN_MAX ((size_t)64 << 20)

TEST(every_object_is_aligned_to_16)
{
	enum { KEPT = 64 };
	void *kept[KEPT] = {NULL};

	for (size_t n = 0; n < 5000; n++) {
		void *p = malloc(n);

		EXPECT(p != NULL && is_aligned(p, 16));
		free(kept[n % KEPT]);
		kept[n % KEPT] = p;
	}
	for (size_t i = 0; i < SIZES; i++) {
		void *p = calloc(1, sizes[i]);

		EXPECT(is_aligned(p, 16));
		p = realloc(p, sizes[i] * 3 + 1);
		EXPECT(is_aligned(p, 16));
		free(p);
	}
	for (int i = 0; i < KEPT; i++)
		free(kept[i]);
}

/* Aligned by one function or another, chosen by turn. */
static void *aligned(size_t align, size_t n, unsigned turn)
{
	void *p = NULL;

	switch (turn % 3) {
	case 0:
		return memalign(align, n);
	case 1:
		return aligned_alloc(align, n);
	}
	EXPECT_EQ(posix_memalign(&p, align, n), 0);
	return p;
}

TEST(alignments_are_honoured)
{
	static const size_t wanted[] = {0, 1, 24, 100, 1000, 4096, 5000, 70000, 300000, 5 << 20};
	unsigned turn = 0;

	for (size_t align = sizeof(void *); align <= ALIGN_MAX; align *= 2)
		for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
			size_t n = wanted[i], keep = n < 2000 ? n : 2000;
			char *p = aligned(align, n, ++turn);

			REQUIRE(p != NULL);
			EXPECT(is_aligned(p, align) && is_aligned(p, 16));
			EXPECT(malloc_usable_size(p) >= n);
			pattern_put(p, n, turn);
			EXPECT(pattern_holds(p, n, turn));
			if (turn / 3 % 2) { /* of each size, at some alignments */
				p = realloc(p, n * 2 + 64);
				REQUIRE(p != NULL);
				EXPECT(pattern_holds(p, n, turn));
				p = realloc(p, keep + 1);
				REQUIRE(p != NULL);
				EXPECT(pattern_holds(p, keep, turn));
			}
			free(p);
		}
}

/* Live together, they do not overlap, and their neighbours are ordinary objects. */
TEST(aligned_objects_live_beside_others)
{
	enum { PAIRS = 2000 };
	static struct {
		unsigned char *wide, *plain;
		size_t n;
	} pairs[PAIRS];
	uint64_t state = test_seed();

	for (unsigned i = 0; i < PAIRS; i++) {
		size_t align = (size_t)16 << test_random(&state) % 10;

		pairs[i].n = test_random(&state) % 3000;
		pairs[i].wide = aligned(align, pairs[i].n, i);
		pairs[i].plain = malloc(pairs[i].n);
		REQUIRE(pairs[i].wide && pairs[i].plain);
		EXPECT(is_aligned(pairs[i].wide, align));
		pattern_put(pairs[i].wide, pairs[i].n, i);
		pattern_put(pairs[i].plain, pairs[i].n, ~i);
	}
	for (unsigned i = 0; i < PAIRS; i++) {
		EXPECT(pattern_holds(pairs[i].wide, pairs[i].n, i));
		free(pairs[i].wide);
	}
	for (unsigned i = 0; i < PAIRS; i++) {
		EXPECT(pattern_holds(pairs[i].plain, pairs[i].n, ~i));
		free(pairs[i].plain);
	}
}

TEST(memalign_rounds_an_alignment_up)
{
	static const struct {
		size_t asked, given;
	} cases[] = {
		{0, 16},
		{1, 16},
		{3, 16},
		{8, 16},
		{17, 32},
		{24, 32},
		{33, 64},
		{48, 64},
		{100, 128},
		{3000, 4096},
		{4097, 8192},
		{65537, 131072},
		{(1 << 20) + 1, 2 << 20},
		{(3 << 20) + 5, 4 << 20},
		{(4 << 20) + 1, 8 << 20},
	};
	enum { TIMES = 16 };
	void *p[TIMES];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (int j = 0; j < TIMES; j++) {
			p[j] = memalign(cases[i].asked, 40);
			EXPECT(p[j] != NULL && is_aligned(p[j], cases[i].given));
		}
		for (int j = 0; j < TIMES; j++)
			free(p[j]);
	}
}

TEST(valloc_and_pvalloc_give_pages)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < SIZES; i++) {
		size_t n = sizes[i];
		void *p = valloc(n), *q = pvalloc(n);

		REQUIRE(p && q);
		EXPECT(is_aligned(p, page) && is_aligned(q, page));
		EXPECT(malloc_usable_size(p) >= n);
		EXPECT(malloc_usable_size(q) >= (n + page - 1) / page * page);
		memset(p, 1, n);
		memset(q, 2, (n + page - 1) / page * page);
		free(p);
		free(q);
	}
}

TEST(nothing_asked_is_still_an_object)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *out = NULL;
	void *p[] = {memalign(64, 0), aligned_alloc(64, 0), valloc(0), pvalloc(0), NULL};

	EXPECT_EQ(posix_memalign(&out, 64, 0), 0);
	p[4] = out;
	EXPECT(is_aligned(p[2], page) && is_aligned(p[3], page));
	for (int i = 0; i < 5; i++) {
		EXPECT(p[i] != NULL && is_aligned(p[i], 64));
		for (int j = 0; j < i; j++)
			EXPECT(distinct(p[i], p[j]));
	}
	for (int i = 0; i < 5; i++)
		free(p[i]);
}

/* malloc_usable_size: at least what was asked for, all of it the program's; and malloc(0). */
#include "names.h"

TEST(null_has_no_size)
{
	EXPECT_EQ(malloc_usable_size(NULL), 0);
}

TEST(malloc_of_nothing_gives_distinct_objects)
{
	enum { BLOCKS = 2000 };
	static void *blocks[BLOCKS];

	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(0);
		REQUIRE(blocks[i] != NULL);
		memset(blocks[i], i, malloc_usable_size(blocks[i]));
	}
	for (int i = 0; i < BLOCKS; i++)
		for (int j = 0; j < i; j++)
			if (!distinct(blocks[i], blocks[j]))
				EXPECT(!"two live objects at one address");
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i]);
}

/* Two of each size live at once, so that a byte too many would show in the other. */
TEST(the_whole_size_is_the_programs)
{
	for (size_t n = 0, step = 1; n < (size_t)9 << 20; n += step) {
		unsigned char *p = malloc(n), *q = malloc(n);
		size_t all, checked;

		REQUIRE(p && q);
		all = malloc_usable_size(p);
		checked = malloc_usable_size(q);
		EXPECT(all >= n && checked >= n);
		if (all < 100000) {
			pattern_put(p, all, 1);
			pattern_put(q, checked, 2);
			EXPECT(pattern_holds(p, all, 1));
			EXPECT(pattern_holds(q, checked, 2));
		} else {
			p[0] = q[0] = p[all - 1] = q[checked - 1] = 9;
		}
		EXPECT_EQ(malloc_usable_size(p), all);
		free(p);
		free(q);
		if (n > 2000)
			step = n / 50;
	}
}

#ifdef API_GLIBC
#define STAYS (128 << 10) /* before 2.37, mappings grew by a page */
#else
#define STAYS SIZE_MAX
#endif

TEST(a_resize_to_the_usable_size_stays)
{
	for (size_t i = 0; i < SIZES && sizes[i] < STAYS; i++) {
		unsigned char *p = malloc(sizes[i]);
		size_t all = malloc_usable_size(p);
		uintptr_t before = address(p);

		pattern_put(p, all, 4);
		p = realloc(p, all);
		EXPECT_EQ(address(p), before);
		EXPECT(pattern_holds(p, all, 4));
		EXPECT_EQ(malloc_usable_size(p), all);
		free(p);
	}
}

/* What slack costs: small objects within the steps of size classes, large ones within a page. */
TEST(the_size_is_not_far_from_what_was_asked)
{
	for (size_t i = 0; i < SIZES; i++) {
		void *p = malloc(sizes[i]);

		EXPECT(malloc_usable_size(p) <= sizes[i] + sizes[i] / 4 + 8192);
		if (sizes[i] >= 32 && sizes[i] < 1024)
			EXPECT(malloc_usable_size(p) <= sizes[i] + sizes[i] / 4 + 16);
		free(p);
	}
}

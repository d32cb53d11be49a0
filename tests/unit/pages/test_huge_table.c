/* Kept mappings that lie side by side. */
#include "pages/huge.h"
#include "test.h"

static struct huge *huge_of(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	REQUIRE(tag && tag->kind == KIND_HUGE);
	return (struct huge *)tag;
}

static struct huge_sizes sizes(void)
{
	struct huge_sizes s;

	huge_sizes(&s);
	return s;
}

/* One that need not be zero. */
static char *take(size_t nbytes)
{
	bool zero = false;

	return huge_alloc(nbytes, 16, &zero);
}

TEST(kept_mappings_side_by_side_become_one)
{
	char *held = take(400 * MIB), *a = take(30 * MIB);

	huge_free(huge_of(a));
	for (int i = 0; i < 3; i++)
		EXPECT(take(10 * MIB) == a + (size_t)i * 10 * MIB);
	huge_free(huge_of(a));
	huge_free(huge_of(a + 20 * MIB));
	EXPECT_EQ(sizes().kept, 20 * MIB);
	huge_free(huge_of(a + 10 * MIB));
	EXPECT_EQ(sizes().kept, 30 * MIB);
	EXPECT(take(30 * MIB) == a);
	EXPECT(huge_check());
	huge_free(huge_of(a));
	huge_free(huge_of(held));
	huge_purge(SIZE_MAX);
}

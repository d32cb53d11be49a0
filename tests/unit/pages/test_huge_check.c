/* What huge_check() sees. */
#include "pages/huge.h"
#include "test.h"

static struct huge *huge_of(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	REQUIRE(tag && tag->kind == KIND_HUGE);
	return (struct huge *)tag;
}

TEST(check_sees_what_is_wrong)
{
	bool zero = false;
	char *mem = huge_alloc(6 * MIB, 16, &zero);
	struct huge *h = huge_of(mem);

	h->nbytes += PAGE_SIZE;
	EXPECT(!huge_check());
	h->nbytes -= PAGE_SIZE;
	pagemap_set(mem, PAGE_SIZE, NULL);
	EXPECT(!huge_check());
	pagemap_set(mem, PAGE_SIZE, &h->tag);
	EXPECT(huge_check());
}

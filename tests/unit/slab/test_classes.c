/* Size classes: every request gets the smallest class that holds it, and little is lost. */
#include "slab/classes.h"

#include "pages/zone.h"
#include "test.h"

TEST(every_request_has_the_smallest_class_that_holds_it)
{
	for (size_t req = 1; req <= CLASS_SIZE_MAX; req++) {
		unsigned class = class_of(req);

		REQUIRE(class < CLASSES);
		REQUIRE(class_size(class) >= req);
		REQUIRE(class == 0 || class_size(class - 1) < req);
	}
}

TEST(sizes_rise_and_are_aligned)
{
	for (unsigned class = 0; class < CLASSES; class ++) {
		EXPECT_EQ(class_size(class) % GRANULE, 0);
		EXPECT_EQ(class_of(class_size(class)), class);
	}
	EXPECT_EQ(class_size(0), 16);
	EXPECT_EQ(class_size(7), 128);
	EXPECT_EQ(class_size(8), 144);
	EXPECT_EQ(class_size(16), 288);
	EXPECT_EQ(class_size(CLASSES - 1), CLASS_SIZE_MAX);
}

TEST(at_most_an_eighth_of_a_size_is_lost_above_128_bytes)
{
	for (size_t req = 129; req <= CLASS_SIZE_MAX; req++)
		REQUIRE((class_size(class_of(req)) - req) * 8 <= req);
}

/* So objects of a class whose size is a multiple of an alignment are aligned so, all of them. */
TEST(a_slab_lies_at_a_multiple_of_what_divides_its_objects)
{
	for (unsigned class = 0; class < CLASSES; class ++) {
		size_t power = class_size(class) & -class_size(class);

		EXPECT_EQ(ORDER_BYTES(class_first_order(class)) % power, 0);
	}
}

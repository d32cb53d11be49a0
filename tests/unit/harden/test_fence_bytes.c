/* The bytes of a fence: where it begins and ends, and that each of them counts. */
#include "harden/fence_bytes.h"
#include "test.h"

#include <string.h>

#define USABLE 128

static union {
	uint64_t align;
	unsigned char bytes[USABLE];
} object;

TEST(every_byte_of_a_fence_counts_and_none_before_or_behind_it)
{
	for (size_t size = 0; size <= USABLE - FENCE_LEAST - TRAILER; size++) {
		size_t end = fence_end(size, USABLE);

		memset(&object, 0, sizeof object);
		lay_fence(object.bytes, size, USABLE);
		EXPECT(end > size && end <= USABLE - TRAILER);
		EXPECT_EQ(trailer(object.bytes, USABLE) ^ key_of(object.bytes), size);
		for (size_t i = 0; i < USABLE - TRAILER; i++) {
			object.bytes[i] ^= 0x20;
			EXPECT_EQ(fence_break(object.bytes, size, USABLE),
				  i >= size && i < end ? i : end);
			object.bytes[i] ^= 0x20;
		}
	}
}

TEST(the_first_byte_that_is_not_zero_is_found)
{
	memset(&object, 0, sizeof object);
	EXPECT(is_zero(object.bytes, 0, USABLE));
	EXPECT_EQ(first_not_zero(object.bytes, 0, USABLE), USABLE);
	object.bytes[77] = 1;
	EXPECT(!is_zero(object.bytes, 0, USABLE));
	EXPECT(is_zero(object.bytes, 80, USABLE));
	EXPECT_EQ(first_not_zero(object.bytes, 8, USABLE), 77);
}

/* More live blocks of 140 kB than half of vm.max_map_count: each may not be a mapping with guards.
   Where guards were asked for, those that find no mapping left do without. */
#include "test.h"

#include "process.h"

enum { BLOCKS = 60000, NBYTES = 140000 };

static unsigned char *blocks[BLOCKS];

TEST(sixty_thousand_live_blocks)
{
	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(NBYTES);
		REQUIRE(blocks[i]);
		blocks[i][0] = (unsigned char)i;
	}
	EXPECT(resident_kib() < BLOCKS * 9);
	for (int i = 0; i < BLOCKS; i += 2) {
		EXPECT_EQ(blocks[i][0], i & 0xff);
		free(blocks[i]);
		blocks[i] = NULL;
	}
	allocate_every_size();
	for (int i = 1; i < BLOCKS; i += 2) {
		EXPECT_EQ(blocks[i][0], i & 0xff);
		free(blocks[i]);
	}
	allocate_every_size();
}

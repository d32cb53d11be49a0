/* What a chunk heap retains: big free chunks and top under the rule, and by trim. */
#include "heaps.h"

#include "base/options.h"
#include "heap/heap.h"
#include "heap/top.h"
#include "os/os.h"
#include "os_sim.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "test.h"

#include <string.h>

/* n chunks of req bytes with others of that size between, so that none merges. */
static void spaced(struct chunk_heap *ch, char **mems, int n, size_t req)
{
	for (int i = 0; i < n; i++) {
		mems[i] = heap_malloc(ch, req, NULL);
		REQUIRE(mems[i] && heap_malloc(ch, req, NULL));
	}
}

TEST(big_free_chunks_are_purged_under_the_rule)
{
	struct chunk_heap *ch = fresh(false);
	struct options defaults = options;
	char *mems[64];

	os_sim_need_small_pages();
	options.retain_floor = MIB;
	options.retain_share = 1024;
	spaced(ch, mems, 64, 100000);
	for (int i = 0; i < 64; i++)
		memset(mems[i], 1, 100000);
	EXPECT_EQ(ch->purged_bytes, 0);
	for (int i = 0; i < 64; i++)
		heap_free(ch, mems[i]);
	EXPECT(ch->purged_bytes > 4 * MIB);
	EXPECT(ch->bins.dirty <= 2 * MIB);
	EXPECT(heap_check(ch));
	heap_trim(ch, 0);
	EXPECT_EQ(ch->bins.dirty, 0);
	EXPECT(heap_check(ch));
	options = defaults;
}

TEST(a_purged_chunk_is_dirty_only_as_far_as_it_was_used_again)
{
	struct chunk_heap *ch = fresh(false);
	char *mem = heap_malloc(ch, 500000, NULL), *part;

	heap_malloc(ch, 16, NULL);
	heap_free(ch, mem);
	heap_trim(ch, 0);
	EXPECT_EQ(ch->bins.dirty, 0);
	part = heap_malloc(ch, 3000, NULL);
	EXPECT(part == mem);
	heap_free(ch, part);
	EXPECT_EQ(ch->bins.dirty, chunk_need(3000));
	EXPECT(heap_check(ch));
}

TEST(top_of_brk_shrinks_under_the_rule)
{
	struct chunk_heap *ch = fresh(true);
	struct options defaults = options;
	char *mems[50], *peak;
	bool zero;

	os_sim_need_small_pages();
	for (int i = 0; i < 50; i++) {
		mems[i] = heap_malloc(ch, 100000, NULL);
		memset(mems[i], 1, 100000);
	}
	peak = os_sbrk(0);
	options.retain_floor = MIB;
	options.retain_share = 1024;
	for (int i = 49; i >= 0; i--)
		heap_free(ch, mems[i]);
	EXPECT((char *)os_sbrk(0) <= peak - 3 * MIB);
	EXPECT(ch->trims > 0);
	EXPECT((char *)os_sbrk(0) == ch->top_heap->end);
	EXPECT(!pagemap_get(ch->top_heap->end));
	EXPECT(heap_check(ch));
	EXPECT(heap_trim(ch, PAGE_SIZE) > 0);
	EXPECT(top_size(ch) >= PAGE_SIZE && top_size(ch) <= 2 * PAGE_SIZE);
	EXPECT(heap_check(ch));
	EXPECT(heap_malloc(ch, 10000, &zero) && !zero);
	mems[0] = heap_malloc(ch, 10000, &zero);
	EXPECT(zero); /* it is above where top was cut off */
	heap_free(ch, mems[0]);
	heap_free(ch, heap_malloc(ch, 10000, NULL));
	EXPECT(heap_trim(ch, 0) > 0);
	EXPECT_EQ(count_heaps(ch), 1);
	options = defaults;
}

TEST(top_of_a_block_is_purged_under_the_rule_and_reads_as_zero)
{
	struct chunk_heap *ch = fresh(false);
	char *first = heap_malloc(ch, HEAP_MAX_REQ, NULL), *mem;
	bool zero = false;

	os_sim_need_small_pages();
	mem = heap_malloc(ch, 900000, NULL);
	REQUIRE(first && mem);
	memset(mem, 1, 900000);
	heap_free(ch, mem);
	EXPECT(heap_trim(ch, 10000) >= 500000);
	EXPECT(heap_check(ch));
	heap_malloc(ch, 20000, NULL);
	mem = heap_malloc(ch, 100000, &zero);
	EXPECT(zero);
	for (int i = 0; i < 100000; i++)
		if (mem[i])
			zero = EXPECT_EQ(mem[i], 0);
}

TEST(a_shrink_while_somebody_moved_the_break_only_purges)
{
	struct chunk_heap *ch = fresh(true);
	char *mem = heap_malloc(ch, 500000, NULL), *end = ch->top_heap->end;

	memset(mem, 1, 500000);
	heap_free(ch, mem);
	os_sbrk(4096);
	EXPECT(heap_trim(ch, 0) >= 400000);
	EXPECT(ch->top_heap && ch->top_heap->end == end);
	EXPECT(heap_check(ch));
}

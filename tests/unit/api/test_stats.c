/* Statistics: the sums are those of what was allocated, and each line prints. */
#include "api/stats.h"

#include "base/options.h"
#include "os_sim.h"
#include "test.h"

#include <loam/loam.h>

static struct stats collect(void)
{
	struct stats s;

	stats_collect(&s);
	return s;
}

TEST(each_kind_is_counted_where_it_is)
{
	struct stats before, after;
	void *object, *run, *huge;

	for (size_t i = 0; i <= options.promote_after; i++)
		loam_free(loam_malloc(512));
	before = collect();
	object = loam_malloc(512);
	run = loam_malloc(MIB);
	huge = loam_malloc(8 * MIB);
	after = collect();
	EXPECT_EQ(after.objects, before.objects + 1);
	EXPECT_EQ(after.object_bytes, before.object_bytes + 512);
	EXPECT_EQ(after.runs, before.runs + 1);
	EXPECT_EQ(after.run_bytes, before.run_bytes + MIB);
	EXPECT_EQ(after.huge.count, before.huge.count + 1);
	EXPECT_EQ(after.huge.nbytes, before.huge.nbytes + 8 * MIB);
	loam_free(object);
	loam_free(run);
	loam_free(huge);
	after = collect();
	EXPECT_EQ(stats_in_use(&after), stats_in_use(&before));
	EXPECT_EQ(after.huge.count, before.huge.count);
}

TEST(mallinfo_adds_up)
{
	void *mem[100];
	struct mallinfo2 m;

	for (size_t i = 0; i < 100; i++)
		mem[i] = loam_malloc(i * i * 20);
	for (size_t i = 0; i < 100; i += 2)
		loam_free(mem[i]);
	m = loam_mallinfo2();
	EXPECT_EQ(m.arena, m.uordblks + m.fordblks);
	EXPECT(m.uordblks > 0 && m.fordblks > 0);
	for (size_t i = 1; i < 100; i += 2)
		loam_free(mem[i]);
}

static void print_and_abort(void *unused)
{
	(void)unused;
	stats_print();
	os_abort();
}

TEST(a_line_a_floor_is_printed)
{
	EXPECT_ABORT(print_and_abort, NULL, "loam: arena: 1 arenas");
	EXPECT_ABORT(print_and_abort, NULL, "loam: slab: ");
	EXPECT_ABORT(print_and_abort, NULL, "loam: heap: hits: ");
	EXPECT_ABORT(print_and_abort, NULL, "loam: top: grown ");
	EXPECT_ABORT(print_and_abort, NULL, "loam: pages: ");
	EXPECT_ABORT(print_and_abort, NULL, "loam: objects of pages: ");
}

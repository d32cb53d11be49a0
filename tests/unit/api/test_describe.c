/* Reports at length: the mapping, the block, its neighbours and the bytes around a pointer. */
#include "api/describe.h"

#include "base/bits.h"
#include "os/os.h"
#include "test.h"

#include <loam/loam.h>
#include <string.h>

static void describe_and_end(void *mem)
{
	describe(mem, mem);
	os_abort();
}

static char *make(size_t size)
{
	char *mem = loam_malloc(size);

	REQUIRE(mem);
	memset(mem, 'm', size);
	return mem;
}

TEST(an_object_and_its_neighbours)
{
	char *mem = NULL;

	for (int i = 0; i < 100; i++)
		mem = make(100);
	EXPECT_ABORT(describe_and_end, mem + 8, "loam:   in: object of 112 bytes at 0x");
	EXPECT_ABORT(describe_and_end, mem + 8, "loam:   before: object of 112 bytes at 0x");
	EXPECT_ABORT(describe_and_end, mem + 8, "6d 6d 6d 6d");
	EXPECT_ABORT(describe_and_end, mem + 8, "mmmmmmmm");
	EXPECT_ABORT(describe_and_end, mem + 8, "loam:   mapped: 0x");
}

TEST(a_chunk_and_its_neighbours)
{
	char *before = make(30000), *mem = make(30000), *behind = make(30000);

	loam_free(behind);
	EXPECT_ABORT(describe_and_end, mem, "loam:   in: chunk of 30008 bytes at 0x");
	EXPECT_ABORT(describe_and_end, mem, "loam:   before: chunk of 30008 bytes at 0x");
	loam_free(mem);
	EXPECT_ABORT(describe_and_end, before, "in use");
	loam_free(before);
}

TEST(a_run_with_fences_and_its_neighbours)
{
	char *before = make(65504), *mem = make(65504); /* 16 pages each */

	if (before > mem)
		mem = before;
	EXPECT_ABORT(describe_and_end, mem + 30, "loam:   in: run of 65504 bytes at 0x");
	EXPECT_ABORT(describe_and_end, mem - 10, "loam:   in: run of 65504 bytes at 0x");
	EXPECT_ABORT(describe_and_end, mem, "loam:   before: run of 65504 bytes at 0x");
}

TEST(runs_and_huge_objects)
{
	char *run = make(200000), *huge = make(10 * MIB);

	EXPECT_ABORT(describe_and_end, run + 5000, "in: run of ");
	EXPECT_ABORT(describe_and_end, huge + 5 * MIB, "in: huge object of 10485760 bytes at 0x");
}

TEST(what_is_not_loams_or_not_mapped)
{
	static char mem[4096];

	EXPECT_ABORT(describe_and_end, mem, "in: no block of loam's");
	EXPECT_ABORT(describe_and_end, (void *)16, "mapped: no");
}

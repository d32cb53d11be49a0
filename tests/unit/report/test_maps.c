/* /proc/self/maps as reports read it. */
#include "report/maps.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const int here = 1;

TEST(what_is_mapped_is_found_with_its_rights)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *mem =
		mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct mapping m;

	REQUIRE(mem != MAP_FAILED);
	mprotect(mem + page, page, PROT_NONE);
	REQUIRE(maps_find(mem + page - 1, &m));
	EXPECT(m.readable && m.writable);
	EXPECT(m.end == (uintptr_t)mem + page);
	REQUIRE(maps_find(mem + page, &m));
	EXPECT(!m.readable && !m.writable);
	EXPECT(m.start == (uintptr_t)mem + page && m.end == m.start + page);
	munmap(mem, 3 * page);
	EXPECT(!maps_find(mem + page, &m) || m.start != (uintptr_t)mem + page);
}

TEST(a_file_is_named_with_the_offset_in_it)
{
	char program[MAPS_NAME] = "";
	struct mapping m;

	REQUIRE(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
	REQUIRE(maps_find(&here, &m));
	EXPECT_STR(m.name, program);
	EXPECT(m.offset > 0 && m.offset < 64 << 20);
}

TEST(nothing_is_at_zero_nor_at_the_end)
{
	struct mapping m;

	EXPECT(!maps_find(NULL, &m));
	EXPECT(!maps_find((void *)UINTPTR_MAX, &m));
}

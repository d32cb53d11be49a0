/* /proc/self/maps as reports read it. */
#include "report/maps.h"

#include "os_sim.h"
#include "test.h"

#include <errno.h>
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

/* --- what no real system shows ---------------------------------------------------------------- */

#define LINE "7f0000001000-7f0000003000 rw-p 00002000 fe:01 1234567    /usr/lib/some file.so\n"

static const char maps[] = "7e0000000000-7e0000001000 ---p 00000000 00:00 0 \n" LINE;
static const size_t before = sizeof maps - sizeof LINE; /* bytes before that line */

static bool find(uintptr_t address, struct mapping *m)
{
	bool found = maps_find((const void *)address, m);

	EXPECT_EQ(os_sim_open_files(), 0);
	return found;
}

TEST(a_file_that_comes_in_small_pieces_reads_the_same)
{
	struct mapping m;

	for (size_t most = 1; most < sizeof maps; most++) {
		os_sim_file("/proc/self/maps", maps, sizeof maps - 1);
		os_sim_read_most(most);
		REQUIRE(find(0x7f0000001234, &m));
		EXPECT(m.start == 0x7f0000001000 && m.end == 0x7f0000003000);
		EXPECT(m.readable && m.writable);
		EXPECT_EQ(m.offset, 0x2234);
		EXPECT_EQ(strcmp(m.name, "/usr/lib/some file.so"), 0);
	}
	os_sim_read_most(SIZE_MAX);
}

/* Of "7f0000001000-7f" the end would lie below the start, and all addresses between. */
TEST(a_line_that_is_broken_off_is_none)
{
	struct mapping m;

	for (size_t nbytes = 0; nbytes < sizeof maps - 1; nbytes++) {
		os_sim_file("/proc/self/maps", maps, nbytes);
		EXPECT(!find(0x7f0000001234, &m));
		EXPECT(!find(0x10, &m));
		EXPECT_EQ(find(0x7e0000000123, &m), nbytes >= before);
	}
	os_sim_file("/proc/self/maps", "junk\n\n-\n", 8);
	EXPECT(!find(0, &m));
	os_sim_file(NULL, NULL, 0);
}

TEST(where_no_file_can_be_opened_or_read_nothing_is_found)
{
	struct mapping m;

	os_sim_refuse(OS_SIM_FILES, EMFILE);
	EXPECT(!find((uintptr_t)&here, &m));
	os_sim_refuse(OS_SIM_FILES, 0);
	for (size_t after = 0; after < 200; after += 7) {
		os_sim_read_first(after);
		os_sim_refuse(OS_SIM_READS, EIO);
		EXPECT(!find((uintptr_t)UINTPTR_MAX, &m));
	}
	os_sim_refuse(OS_SIM_READS, 0);
	EXPECT(find((uintptr_t)&here, &m));
}

TEST(a_name_that_is_too_long_is_cut_off)
{
	static char text[4096];
	struct mapping m;
	int n = snprintf(text, sizeof text, "1000-2000 r--p 0 00:00 0 /%0*d\n", 3000, 0);

	os_sim_file("/proc/self/maps", text, (size_t)n);
	REQUIRE(find(0x1800, &m));
	EXPECT_EQ(strlen(m.name), MAPS_NAME - 1);
	os_sim_file(NULL, NULL, 0);
}

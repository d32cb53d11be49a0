/* What memory holds, as the kernel shows it. */
#include "observe/contents.h"

#include "os_sim.h"
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

struct seen {
	size_t words, sum;
};

static void add_up(void *arg, const uintptr_t *words, size_t n)
{
	struct seen *s = arg;

	s->words += n;
	for (size_t i = 0; i < n; i++)
		s->sum += words[i];
}

/* What is read is the kernel's. */
static void need_pages_of_the_kernel(void)
{
	if (os_page_size() != (size_t)sysconf(_SC_PAGESIZE))
		test_skip("the kernel's pages are smaller than those that are simulated");
}

static struct seen seen_of(const void *start, const void *end)
{
	struct seen s = {0, 0};

	contents_visit((uintptr_t)start, (uintptr_t)end, add_up, &s);
	return s;
}

TEST(words_are_shown_that_lie_wholly_in_the_range)
{
	static uintptr_t words[6] = {1, 10, 100, 1000, 10000, 100000};
	const char *bytes = (const char *)words;

	REQUIRE(contents_open());
	EXPECT_EQ(seen_of(words, words + 6).sum, 111111);
	EXPECT_EQ(seen_of(bytes + 1, bytes + 47).sum, 11110);
	EXPECT_EQ(seen_of(bytes + 8, bytes + 16).sum, 10);
	EXPECT_EQ(seen_of(bytes + 9, bytes + 16).words, 0);
	EXPECT_EQ(seen_of(bytes, bytes + 7).words, 0);
	contents_close();
	EXPECT_EQ(os_sim_open_files(), 0);
}

TEST(what_cannot_be_read_is_left_out)
{
	size_t page = os_page_size();
	char *mem;

	need_pages_of_the_kernel();
	mem = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(mem != MAP_FAILED && contents_open());
	*(uintptr_t *)(mem + page - 8) = 3;
	*(uintptr_t *)(mem + 3 * page) = 4;
	munmap(mem + page, 2 * page);
	EXPECT_EQ(seen_of(mem, mem + 4 * page).sum, 7);
	contents_close();
	munmap(mem, 4 * page);
}

/* A terabyte of addresses takes no terabyte to be read. */
TEST(of_large_ranges_what_was_never_written_is_left_out)
{
	size_t nbytes = 64 * GIB, page = os_page_size();
	char *mem = mmap(NULL, nbytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct seen s;

	need_pages_of_the_kernel();
	if (mem == MAP_FAILED)
		test_skip("there are not as many addresses");
	madvise(mem, nbytes, MADV_NOHUGEPAGE);
	REQUIRE(contents_open());
	/* volatile: what is looked at are pages, which compilers know nothing of */
	*(volatile uintptr_t *)(mem + 8) = 5;
	*(volatile uintptr_t *)(mem + nbytes / 2) = 6;
	*(volatile uintptr_t *)(mem + nbytes - 16) = 7;
	s = seen_of(mem, mem + nbytes);
	EXPECT_EQ(s.sum, 18);
	EXPECT_EQ(s.words, 3 * page / sizeof(uintptr_t));
	s = seen_of(mem + 8, mem + nbytes - 8);
	EXPECT_EQ(s.sum, 18);
	contents_close();
	munmap(mem, nbytes);
}

TEST(of_a_file_that_is_mapped_copies_are_what_was_written)
{
	size_t page = os_page_size();
	int fd = open("/proc/self/exe", O_RDONLY);
	char *mem = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	struct seen s = {0, 0};

	need_pages_of_the_kernel();
	REQUIRE(mem != MAP_FAILED && contents_open());
	EXPECT(*(volatile char *)mem == 0x7f); /* it is in RAM */
	*(uintptr_t *)(mem + page) = 3;
	mprotect(mem, 2 * page, PROT_READ);
	contents_visit_copies((uintptr_t)mem, (uintptr_t)mem + 2 * page, add_up, &s);
	EXPECT_EQ(s.words, page / sizeof(uintptr_t));
	contents_close();
	munmap(mem, 2 * page);
	close(fd);
}

TEST(where_files_are_refused_it_says_so)
{
	os_sim_refuse(OS_SIM_FILES, EACCES);
	EXPECT(!contents_open());
	os_sim_refuse(OS_SIM_FILES, 0);
	EXPECT_EQ(os_sim_open_files(), 0);
}

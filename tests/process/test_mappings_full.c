/* As many mappings as vm.max_map_count allows: freed huge objects of which none can be unmapped are
   in RAM no more and serve again, and one line names the setting. */
#include "test.h"

#include "process.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum {
	NAMED = 2100, /* the first mappings have names, and are not joined by the kernel */
	OBJECTS = 3000,
	NBYTES = 5 << 20,
	TOUCHED = 32 << 10,
	SPARE = 100, /* mappings that are left */
	PAGES = 1 << 20,
	NO_SUCH_LIMIT = 77
};

static char *named[NAMED], *objects[OBJECTS];
static char said[4096];

/* Takes mappings until no more than `spare` are left; NULL: the kernel allows too many. */
static char *take_mappings(size_t page, size_t spare)
{
	char *area = mmap(NULL, PAGES * page, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t n = 1;

	MUST(area != MAP_FAILED);
	while (n < PAGES && mprotect(area + n * page, page, PROT_READ) == 0)
		n += 2;
	if (n >= PAGES)
		return NULL;
	MUST(errno == ENOMEM);
	for (size_t i = 0; i < spare && n > 4; i++, n--)
		MUST(munmap(area + (n - 2) * page, page) == 0);
	return area;
}

static _Noreturn void skip(void)
{
	test_skip("the kernel allows more mappings than this can make");
}

static int catch_stderr(void)
{
	int caught = memfd_create("stderr", 0);

	MUST(caught >= 0 && dup2(caught, 2) == 2);
	return caught;
}

/* Allocates until a limit of addresses refuses it. */
static _Noreturn void fill_addresses(int caught)
{
	rlim_t used = (rlim_t)proc_number("/proc/self/status", "\nVmSize:") << 10;
	struct rlimit limit = {used + (16 << 20), used + (16 << 20)};
	size_t n = 0;

	MUST(setrlimit(RLIMIT_AS, &limit) == 0);
	for (size_t nbytes = 100000; nbytes; nbytes /= 10)
		while (malloc(nbytes))
			n++;
	while (mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		;
	MUST(!malloc(100000));
	MUST(n > 0 && lseek(caught, 0, SEEK_END) == 0);
	_exit(0);
}

TEST(of_another_limit_nothing_is_said)
{
	pid_t child = fork();

	if (child == 0)
		fill_addresses(catch_stderr());
	EXPECT_EQ(child_wait(child), 0);
}

/* And where a block of a few pages finds no mapping, the line says so. */
TEST(a_small_mapping_that_is_refused_is_explained)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		int caught = catch_stderr();

		if (!take_mappings((size_t)sysconf(_SC_PAGESIZE), 0))
			_exit(NO_SUCH_LIMIT);
		while (malloc(200000))
			;
		MUST(pread(caught, said, sizeof said - 1, 0) > 0);
		MUST(strstr(said, "vm.max_map_count"));
		_exit(0);
	}
	status = child_wait(child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SUCH_LIMIT)
		skip();
	EXPECT_EQ(status, 0);
}

TEST(what_cannot_be_unmapped_is_not_lost)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), full, freed;
	int caught;
	char *area;

	for (int i = 0; i < NAMED; i++)
		REQUIRE((named[i] = malloc(NBYTES)) != NULL);
	for (int i = 0; i < OBJECTS; i++) {
		REQUIRE((objects[i] = malloc(NBYTES)) != NULL);
		memset(objects[i], 1, TOUCHED);
	}
	area = take_mappings(page, SPARE);
	if (!area)
		skip();
	caught = catch_stderr();
	full = resident_kib();
	for (int i = 0; i < OBJECTS; i += 2)
		free(objects[i]);
	malloc_trim(0);
	freed = resident_kib();
	printf("%zu KiB, then %zu\n", full, freed);
	EXPECT(freed + OBJECTS / 2 * (TOUCHED >> 10) / 4 * 3 < full);
	for (int i = 0; i < OBJECTS / 2; i += 2) {
		objects[i] = malloc(NBYTES);
		REQUIRE(objects[i]);
		memset(objects[i], 2, TOUCHED);
	}
	for (int i = 1; i < OBJECTS; i += 2)
		REQUIRE(objects[i][TOUCHED - 1] == 1);
	REQUIRE(pread(caught, said, sizeof said - 1, 0) > 0);
	printf("%s", said);
	EXPECT(strstr(said, "vm.max_map_count"));
	EXPECT(strchr(said, '\n') == strrchr(said, '\n'));
	munmap(area, PAGES * page);
	for (int i = 0; i < OBJECTS; i++)
		if (i % 2 || i < OBJECTS / 2)
			free(objects[i]);
	for (int i = 0; i < NAMED; i++)
		free(named[i]);
}

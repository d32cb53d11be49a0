/* The system as it is: what os.h promises of os_linux.c, on this machine's kernel. */
#include "base/bits.h"
#include "os/os.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define MAPS	200 /* of each thread: many templates' worth */

/* What a process finds at its start; run as a fresh one, this program prints it and ends. */
struct found {
	uint64_t random;
	size_t memory_limit;
	struct rlimit space, data; /* as libc reads them: sanitizers change the first */
};

__attribute__((constructor)) static void start(void)
{
	struct found found;

	os_start();
	found = (struct found){.random = os_random(RANDOM_MARKS),
			       .memory_limit = os_memory_limit()};
	getrlimit(RLIMIT_AS, &found.space);
	getrlimit(RLIMIT_DATA, &found.data);
	if (getenv("LOAM_UNIT_PRINT"))
		_exit(write(1, &found, sizeof found) != sizeof found);
}

static bool all_bytes(const char *mem, size_t nbytes, int byte)
{
	for (size_t i = 0; i < nbytes; i++)
		if (mem[i] != (char)byte)
			return false;
	return true;
}

/* What of /proc/self/maps fits: read with plain calls, because stdio would allocate. */
static const char *read_maps(void)
{
	static char text[MIB];
	size_t length = 0;
	ssize_t got;
	int fd = open("/proc/self/maps", O_RDONLY);

	REQUIRE(fd >= 0);
	while ((got = read(fd, text + length, sizeof text - 1 - length)) > 0)
		length += (size_t)got;
	text[length] = '\0';
	close(fd);
	return text;
}

static size_t count_mappings(void)
{
	size_t n = 0;

	for (const char *c = read_maps(); *c; c++)
		n += *c == '\n';
	return n;
}

/* Bytes of this process that are mapped (field 0) or resident (field 1). */
static size_t process_bytes(int field)
{
	char text[64] = {0}, *number = text;
	int fd = open("/proc/self/statm", O_RDONLY);
	size_t npages;

	REQUIRE(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
	close(fd);
	do
		npages = strtoul(number, &number, 10);
	while (field--);
	return npages * os_page_size();
}

/* Whether the page of mem is in nobody's mapping. */
static bool unmapped(void *mem)
{
	unsigned char residency;

	return mincore(mem, os_page_size(), &residency) != 0 && errno == ENOMEM;
}

/* Runs body in a child whose address space may grow by room bytes; its exit status. */
static int run_limited(size_t room, int (*body)(void))
{
	int status = 0;
	pid_t child = fork();

	REQUIRE(child >= 0);
	if (child == 0) {
		size_t most = process_bytes(0) + room;
		struct rlimit limit = {most, most};

		if (setrlimit(RLIMIT_AS, &limit) != 0)
			_exit(101);
		_exit(body());
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool on_emulator(void)
{
	return test_emulated || test_on_valgrind();
}

TEST(facts_are_those_of_the_kernel)
{
	EXPECT_EQ(os_page_size(), sysconf(_SC_PAGESIZE));
	EXPECT_EQ(os_is_emulated(), test_emulated);
	EXPECT_EQ(os_secure(), getauxval(AT_SECURE));
	EXPECT_STR(os_program(), "unit-os-os");
	EXPECT(os_cpus() >= 1 && os_cpus() <= sysconf(_SC_NPROCESSORS_CONF));
}

TEST(a_random_word_is_constant_and_not_the_stack_protectors)
{
	uint64_t bytes[2];

	memcpy(bytes, (const void *)getauxval(AT_RANDOM), sizeof bytes);
	for (enum os_random use = 0; use <= RANDOM_PROFILE; use++) {
		EXPECT(os_random(use) != 0);
		EXPECT_EQ(os_random(use), os_random(use));
		EXPECT(os_random(use) != bytes[0]);
		EXPECT(os_random(use) != bytes[1]);
		EXPECT(use == RANDOM_MARKS || os_random(use) != os_random(RANDOM_MARKS));
	}
}

/* What this program finds when it is run afresh under this limit of resource which. */
static struct found run_afresh(int which, rlim_t most)
{
	struct rlimit limit = {most, RLIM_INFINITY};
	struct found found = {0};
	int ends[2], status = 0;
	pid_t child = -1;

	REQUIRE(pipe(ends) == 0 && (child = fork()) >= 0);
	if (child == 0) {
		dup2(ends[1], 1);
		setenv("LOAM_UNIT_PRINT", "1", 1);
		setrlimit(which, &limit);
		execl("/proc/self/exe", "unit-os-os", NULL);
		_exit(127);
	}
	close(ends[1]);
	EXPECT_EQ(read(ends[0], &found, sizeof found), sizeof found);
	close(ends[0]);
	waitpid(child, &status, 0);
	EXPECT_EQ(status, 0);
	return found;
}

TEST(the_random_word_differs_from_process_to_process)
{
	uint64_t first, second;

	if (on_emulator())
		test_skip("the emulator chooses what a fresh process finds");
	first = run_afresh(RLIMIT_AS, RLIM_INFINITY).random;
	second = run_afresh(RLIMIT_AS, RLIM_INFINITY).random;
	EXPECT(first != second);
	EXPECT(first != os_random(RANDOM_MARKS));
}

/* Limits large enough for the shadow memory of sanitizers. */
TEST(the_memory_limit_is_the_one_set_at_start)
{
	rlim_t much = (rlim_t)1 << 50;
	struct found found;

	if (on_emulator())
		test_skip("the emulator chooses what a fresh process finds");
	found = run_afresh(RLIMIT_AS, much);
	EXPECT_EQ(found.memory_limit, smaller(found.space.rlim_cur, found.data.rlim_cur));
	found = run_afresh(RLIMIT_DATA, much);
	EXPECT_EQ(found.data.rlim_cur, much);
	EXPECT_EQ(found.memory_limit, smaller(found.space.rlim_cur, much));
	found = run_afresh(RLIMIT_AS, RLIM_INFINITY);
	EXPECT_EQ(found.memory_limit, smaller(found.space.rlim_cur, found.data.rlim_cur));
}

TEST(the_environment_is_found_by_whole_names)
{
	char **kept = environ;

	EXPECT(os_environment() != NULL);
	setenv("LOAM_UNIT", "x=y", 1);
	setenv("LOAM_UNIT_EMPTY", "", 1);
	REQUIRE(os_getenv("LOAM_UNIT"));
	EXPECT(strcmp(os_getenv("LOAM_UNIT"), "x=y") == 0);
	REQUIRE(os_getenv("LOAM_UNIT_EMPTY"));
	EXPECT(strcmp(os_getenv("LOAM_UNIT_EMPTY"), "") == 0);
	EXPECT(os_getenv("LOAM_UNI") == NULL);
	EXPECT(os_getenv("LOAM_UNIT_") == NULL);
	environ = NULL; /* then the strings of the start, or none */
	EXPECT(os_getenv("LOAM_UNIT") == NULL);
	environ = kept;
}

TEST(the_clock_runs_forward)
{
	struct timespec pause = {.tv_nsec = 30000000};
	uint64_t before = os_clock(), after;

	nanosleep(&pause, NULL);
	after = os_clock();
	EXPECT(after - before >= 10000000);
	EXPECT(after - before < 60000000000u);
}

TEST(the_stack_ends_above_this_frame_and_is_mapped_to_its_end)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0), end = os_stack_end();

	EXPECT(is_aligned(end, os_page_size()));
	EXPECT(end > here);
	EXPECT(end > getauxval(AT_RANDOM));
	EXPECT(!unmapped((char *)end - os_page_size()));
}

TEST(the_stack_ends_where_its_mapping_does)
{
	const char *line = strstr(read_maps(), "[stack]");
	unsigned long least, most;

	if (!line || test_on_valgrind())
		test_skip("the kernel does not know where this stack is");
	while (line > read_maps() && line[-1] != '\n')
		line--;
	REQUIRE(sscanf(line, "%lx-%lx", &least, &most) == 2);
	EXPECT_EQ(os_stack_end(), most);
	EXPECT((uintptr_t)&line >= least && (uintptr_t)&line < most);
}

TEST(mapped_memory_is_zero_and_writable)
{
	size_t sizes[] = {1, 2, 33, 1024};

	for (enum os_use use = 0; use < OS_USES; use++)
		for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
			size_t nbytes = sizes[i] * os_page_size();
			char *mem = os_map(nbytes, use);

			REQUIRE(mem);
			EXPECT(is_aligned((uintptr_t)mem, os_page_size()));
			EXPECT(all_bytes(mem, nbytes, 0));
			memset(mem, 'x', nbytes);
			os_unmap(mem, nbytes);
			EXPECT(unmapped(mem));
			EXPECT(unmapped(mem + nbytes - os_page_size()));
		}
}

TEST(mappings_have_names)
{
	static const char *const names[] = {"loam: pages", "loam: huge", "loam: metadata"};
	size_t nbytes = 64 * os_page_size();

	if (!strstr(read_maps(), "[anon:"))
		test_skip("this kernel has no names for mappings");
	for (enum os_use use = 0; use < OS_USES; use++) {
		char *mem = os_map(nbytes, use), start[32];
		const char *line;

		REQUIRE(mem);
		mem[0] = 'x';
		snprintf(start, sizeof start, "%lx-", (unsigned long)mem);
		REQUIRE(line = strstr(read_maps(), start));
		EXPECT_STR(line, names[use]);
		EXPECT(strstr(line, names[use]) < strchr(line, '\n'));
		os_unmap(mem, nbytes);
	}
}

TEST(many_mappings_are_not_as_many_areas)
{
	static char *mems[8000];
	size_t nbytes = 128 * KIB, before = count_mappings();

	for (int i = 0; i < 8000; i++) {
		REQUIRE(mems[i] = os_map(nbytes, OS_PAGES));
		mems[i][0] = 'x';
	}
	EXPECT(count_mappings() < before + 2500);
	for (int i = 0; i < 8000; i++) {
		EXPECT_EQ(mems[i][0], 'x');
		os_unmap(mems[i], nbytes);
	}
	EXPECT(count_mappings() < before + 20);
}

/* Maps, marks, verifies and unmaps; a page handed out twice would show another's mark. */
/* ThreadSanitizer does not see that the system took memory back before it gave it again. */
__attribute__((no_sanitize("thread"))) static void *map_many(void *arg)
{
	char mark = (char)(1 + (uintptr_t)arg), *mems[MAPS];
	size_t nbytes = 2 * os_page_size();
	bool good = true;

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < MAPS; i++) {
			mems[i] = os_map(nbytes - i % 2 * os_page_size(), OS_HUGE);
			REQUIRE(mems[i]);
			good &= mems[i][0] == 0;
			mems[i][0] = mark;
		}
		for (int i = 0; i < MAPS; i++) {
			good &= mems[i][0] == mark;
			os_unmap(mems[i], nbytes - i % 2 * os_page_size());
		}
	}
	return (void *)(uintptr_t)good;
}

TEST(threads_that_map_at_once_get_memory_of_their_own)
{
	pthread_t threads[THREADS];
	void *good;

	for (uintptr_t i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, map_many, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &good);
		EXPECT(good != NULL);
	}
}

TEST(aligned_mappings_are_aligned_and_zero)
{
	for (size_t alignment = os_page_size(); alignment <= 64 * MIB; alignment *= 2) {
		char *mem = os_map_aligned(MIB, alignment, OS_PAGES);

		REQUIRE(mem);
		EXPECT(is_aligned((uintptr_t)mem, alignment));
		EXPECT(all_bytes(mem, MIB, 0));
		os_unmap(mem, MIB);
	}
	EXPECT(os_map_aligned(SIZE_MAX - MIB + 1, 4 * MIB, OS_PAGES) == NULL);
	EXPECT(os_map_aligned((size_t)1 << 60, 4 * MIB, OS_PAGES) == NULL);
}

/* So many rounds that a page lost in each is more than what a template keeps. */
TEST(aligned_mappings_lose_nothing)
{
	if (on_emulator())
		test_skip("the emulator maps memory of its own");
	for (size_t alignment = os_page_size(); alignment <= 64 * MIB; alignment *= 2) {
		size_t before = process_bytes(0);
		char *mems[100];

		for (int i = 0; i < 100; i++)
			REQUIRE(mems[i] = os_map_aligned(MIB, alignment, OS_PAGES));
		for (int i = 0; i < 100; i++)
			os_unmap(mems[i], MIB);
		EXPECT(process_bytes(0) < before + 20 * os_page_size());
	}
}

/* Room for what is asked and not for the alignment besides. */
static int map_aligned_in_little_room(void)
{
	char *mem = os_map_aligned(4 * MIB, 4 * MIB, OS_PAGES);

	if (!mem)
		return 1;
	memset(mem, 'x', 4 * MIB);
	if (os_map_aligned(4 * MIB, 4 * MIB, OS_PAGES))
		return 2;
	os_unmap(mem, 4 * MIB);
	mem = os_map_aligned(4 * MIB, 4 * MIB, OS_PAGES);
	return !mem ? 3 : !is_aligned((uintptr_t)mem, 4 * MIB) ? 4 : 0;
}

TEST(aligned_mappings_do_where_addresses_are_short)
{
	if (on_emulator())
		test_skip("the emulator's own needs count under the limit, or nothing does");
	EXPECT_EQ(run_limited(4 * MIB + 512 * KIB, map_aligned_in_little_room), 0);
}

static int map_until_refused(void)
{
	size_t nbytes = 32 * os_page_size();
	char *mems[1000];
	int n = 0;

	errno = EDOM;
	while (n < 1000 && (mems[n] = os_map(nbytes, OS_PAGES)))
		n++;
	if (n == 1000 || errno != EDOM)
		return 1;
	for (int i = 0; i < n; i++)
		os_unmap(mems[i], nbytes);
	for (int i = 0; i < n - 1; i++) /* one less: what is left of a template counts */
		if (!os_map(nbytes, OS_PAGES))
			return 2;
	return 0;
}

TEST(refusals_are_null_and_lose_nothing)
{
	if (on_emulator())
		test_skip("the emulator's own needs count under the limit, or nothing does");
	EXPECT_EQ(run_limited(8 * MIB, map_until_refused), 0);
	EXPECT(os_map((size_t)1 << 60, OS_HUGE) == NULL);
}

static int unguard_without_memory(void)
{
	size_t page = os_page_size();
	char *mem = os_map(3 * page, OS_PAGES);

	if (!mem || !os_guard(mem + page, page))
		return 1;
	for (int i = 0; i < 4096 && os_map(page, OS_PAGES); i++)
		continue; /* an emulator obeys no limit */
	return os_unguard(mem + page, page) && all_bytes(mem + page, page, 0) ? 0 : 2;
}

/* Where a process may have no more addresses, too. */
TEST(a_guard_page_becomes_memory)
{
	size_t page = os_page_size();
	char *mem = os_map(3 * page, OS_PAGES);

	REQUIRE(mem);
	memset(mem, 'x', 3 * page);
	REQUIRE(os_guard(mem + page, page));
	EXPECT(test_is_unreadable(mem + page));
	REQUIRE(os_unguard(mem + page, page));
	EXPECT(all_bytes(mem, page, 'x') && all_bytes(mem + 2 * page, page, 'x'));
	EXPECT(all_bytes(mem + page, page, 0));
	memset(mem + page, 'y', page);
	os_unmap(mem, 3 * page);
	if (!test_on_valgrind()) /* which needs addresses itself */
		EXPECT_EQ(run_limited(4 * MIB, unguard_without_memory), 0);
}

TEST(a_mapping_lies_where_it_is_wanted_or_nowhere)
{
	size_t page = os_page_size();
	char *mem = os_map(4 * page, OS_PAGES);

	REQUIRE(mem);
	memset(mem, 'x', 4 * page);
	EXPECT(!os_map_at(mem + page, page));
	EXPECT(mem[page] == 'x');
	os_unmap(mem + page, 2 * page);
	EXPECT(!os_map_at(mem + 2 * page, 2 * page));
	REQUIRE(os_map_at(mem + page, 2 * page) == mem + page);
	EXPECT(all_bytes(mem + page, 2 * page, 0));
	memset(mem + page, 'y', 2 * page);
	EXPECT(mem[page - 1] == 'x' && mem[3 * page] == 'x');
	os_unmap(mem, 4 * page);
	EXPECT(!os_map_at(mem, (size_t)1 << 60));
}

TEST(reserved_addresses_are_unreadable_and_in_nobodys_way)
{
	size_t page = os_page_size();
	char *mem = os_map(4 * page, OS_PAGES), *other;

	REQUIRE(mem);
	os_unmap(mem + page, 2 * page);
	REQUIRE(os_reserve(mem + page, 2 * page) == mem + page);
	EXPECT(test_is_unreadable(mem + page) && !os_map_at(mem + page, page));
	REQUIRE(other = os_reserve(mem, page));
	EXPECT(other != mem && !test_is_unreadable(mem));
	os_unmap(other, page);
	os_unmap(mem, 4 * page);
	EXPECT(!os_reserve(mem, (size_t)1 << 60));
}

TEST(a_mapping_moved_keeps_its_contents)
{
	char *mem = os_map(MIB, OS_HUGE), *moved;

	REQUIRE(mem);
	memset(mem, 'x', MIB);
	REQUIRE(moved = os_remap(mem, MIB, 3 * MIB, true));
	EXPECT(all_bytes(moved, MIB, 'x'));
	EXPECT(all_bytes(moved + MIB, 2 * MIB, 0));
	mem = moved;
	EXPECT(os_remap(mem, 3 * MIB, MIB, false) == mem);
	EXPECT(unmapped(mem + MIB));
	EXPECT(all_bytes(mem, MIB, 'x'));
	errno = EDOM;
	EXPECT(os_remap(mem, MIB, (size_t)1 << 60, true) == NULL);
	EXPECT_EQ(errno, EDOM);
	EXPECT(all_bytes(mem, MIB, 'x'));
	os_unmap(mem, MIB);
}

TEST(a_mapping_does_not_grow_in_place_over_another)
{
	size_t page = os_page_size();
	char *mem = os_map(4 * page, OS_HUGE);

	REQUIRE(mem);
	os_unmap(mem + 2 * page, page);
	EXPECT(os_remap(mem, 2 * page, 4 * page, false) == NULL);
	os_unmap(mem, 2 * page);
	os_unmap(mem + 3 * page, page);
}

TEST(a_mapping_replaces_another)
{
	char *mem = os_map(MIB, OS_HUGE), *onto = os_map(2 * MIB, OS_HUGE);

	REQUIRE(mem && onto);
	memset(mem, 'x', MIB);
	memset(onto, 'y', 2 * MIB);
	EXPECT(os_remap_onto(mem, MIB, onto, 2 * MIB));
	EXPECT(all_bytes(onto, MIB, 'x'));
	EXPECT(all_bytes(onto + MIB, MIB, 0));
	EXPECT(unmapped(mem));
	EXPECT(!os_remap_onto(onto, 2 * MIB, onto + MIB, 2 * MIB)); /* they overlap */
	EXPECT(all_bytes(onto, MIB, 'x'));
	os_unmap(onto, 2 * MIB);
}

TEST(parts_of_several_mappings_stay_and_so_does_what_they_were_to_replace)
{
	char *mem = os_map(2 * MIB, OS_HUGE), *onto = os_map(3 * MIB, OS_HUGE);

	REQUIRE(mem && onto);
	memset(mem, 'x', 2 * MIB);
	memset(onto, 'y', 3 * MIB);
	mprotect(mem + MIB, MIB, PROT_READ); /* another mapping from now on */
	EXPECT(!os_remap_onto(mem, 2 * MIB, onto, 3 * MIB));
	EXPECT(all_bytes(mem, 2 * MIB, 'x'));
	REQUIRE(!unmapped(onto));
	EXPECT(all_bytes(onto, 3 * MIB, 'y'));
	os_unmap(mem, 2 * MIB);
	os_unmap(onto, 3 * MIB);
}

/* The kernel is asked for more than it can give, before anything is moved; here it can. */
TEST(memory_with_endless_room_behind_it_keeps_its_size)
{
	char *place = (char *)((size_t)1 << 44), *onto = os_map(2 * MIB, OS_HUGE), *mem;

	REQUIRE(onto);
	if (os_is_emulated())
		test_skip("emulators take minutes for that much");
	mem = (char *)syscall(SYS_mmap, place, MIB, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
			      0);
	if (mem != place) /* or a sanitizer has it */
		test_skip("no mapping lies at this address here");
	memset(mem, 'x', MIB);
	os_remap_onto(mem, MIB, onto, 2 * MIB); /* refused, or not */
	EXPECT(unmapped(place + MIB));
	os_unmap(place, MIB);
	os_unmap(onto, 2 * MIB);
}

TEST(purged_memory_is_zero_and_its_neighbours_stay)
{
	size_t page = os_page_size();
	char *mem = os_map(4 * page, OS_PAGES);

	REQUIRE(mem);
	memset(mem, 'x', 4 * page);
	errno = EDOM;
	EXPECT(os_purge(mem + page, 2 * page));
	EXPECT(all_bytes(mem, page, 'x'));
	EXPECT(all_bytes(mem + page, 2 * page, 0));
	EXPECT(all_bytes(mem + 3 * page, page, 'x'));
	EXPECT_EQ(errno, EDOM);
	os_unmap(mem, 4 * page);
}

TEST(purged_memory_is_the_systems_again)
{
	size_t nbytes = 32 * MIB, before;
	char *mem = os_map(nbytes, OS_PAGES);

	REQUIRE(mem);
	memset(mem, 'x', nbytes);
	before = process_bytes(1);
	EXPECT(os_purge(mem, nbytes));
	EXPECT(process_bytes(1) + nbytes / 2 < before); /* the kernel counts in batches */
	os_unmap(mem, nbytes);
}

/* Linux purges it since 5.18; before, all stays as it was. */
TEST(locked_memory_is_purged_where_the_system_can)
{
	size_t page = os_page_size();
	char *mem = os_map(4 * page, OS_PAGES);
	bool can, purged;

	if (os_is_emulated())
		test_skip("emulators answer advice that they do not follow with success");
	REQUIRE(mem);
	EXPECT(!os_is_locked(mem));
	memset(mem, 'x', 4 * page);
	if (syscall(SYS_mlock, mem, 4 * page) != 0)
		test_skip("mlock is refused"); /* sanitizers replace libc's */
	can = syscall(SYS_madvise, mem, page, 24 /* MADV_DONTNEED_LOCKED */) == 0;
	errno = EDOM;
	EXPECT(os_is_locked(mem));
	purged = os_purge(mem, 4 * page);
	EXPECT_EQ(purged, can);
	EXPECT_EQ(errno, EDOM);
	EXPECT(all_bytes(mem + page, 3 * page, purged ? 0 : 'x'));
	os_unmap(mem, 4 * page);
}

static int map_locked(void)
{
	size_t page = os_page_size();

	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		return 77;
	for (int i = 0; i < 30; i++) {
		char *mem = os_map(4 * page, OS_PAGES);

		if (!mem || !all_bytes(mem, 4 * page, 0))
			return 1;
		memset(mem, 'x', 4 * page);
	}
	return 0;
}

TEST(mappings_work_where_all_memory_is_locked)
{
	int status = run_limited(GIB, map_locked);

	if (status == 77)
		test_skip("mlockall is refused");
	EXPECT_EQ(status, 0);
}

TEST(the_break_moves_as_libc_sees_it)
{
	char *old = os_break(), *end;

	REQUIRE(old);
	errno = EDOM;
	EXPECT(os_sbrk(100001) == old);
	EXPECT(sbrk(0) == old + 100001);
	memset(old, 'x', 100001);
	REQUIRE((end = sbrk(4096)) == old + 100001); /* the program's own */
	EXPECT(os_break() == end + 4096);
	EXPECT(os_sbrk(-4096 - 100001) == end + 4096);
	EXPECT(os_break() == old);
	EXPECT(os_sbrk((intptr_t)1 << 60) == NULL);
	EXPECT_EQ(errno, EDOM);
	EXPECT(os_break() == old);
}

/* As a child finds it whose parent moved the break while it forked. */
TEST(a_break_that_libc_does_not_know_is_none)
{
	char *end = os_break();

	REQUIRE(end);
	REQUIRE(syscall(SYS_brk, end + 5 * os_page_size()) == (long)(end + 5 * os_page_size()));
	EXPECT(os_break() == NULL);
	REQUIRE(syscall(SYS_brk, end) == (long)end);
	EXPECT(os_break() == end);
}

TEST(a_wiped_page_is_zero_in_a_child_alone)
{
	char *mem = os_map(os_page_size(), OS_METADATA);
	int status = 0;
	pid_t child;

	REQUIRE(mem);
	mem[0] = 'x';
	if (!os_wipe_on_fork(mem, os_page_size()))
		test_skip("this kernel does not wipe pages on fork");
	REQUIRE((child = fork()) >= 0);
	if (child == 0)
		_exit(mem[0]);
	waitpid(child, &status, 0);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(mem[0], 'x');
}

static uint32_t word;

static void *sleeper(void *arg)
{
	while (load_acquire(&word) == 1)
		os_futex_wait(&word, 1);
	return arg;
}

TEST(futex_sleepers_wake)
{
	pthread_t threads[THREADS];

	os_futex_wait(&word, 1); /* word is 0: returns */
	store_release(&word, 1);
	for (int i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, sleeper, NULL) == 0);
	usleep(20000);
	store_release(&word, 0);
	os_futex_wake(&word, THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* A pipe filled by a write that signals interrupt, and emptied slowly: nothing is lost. */
TEST(writes_are_whole)
{
	static char bytes[300000];
	struct sigaction action = {.sa_handler = on_alarm};
	int ends[2], status = 0;
	pid_t child = -1;
	size_t length = 0;
	ssize_t got;

	REQUIRE(pipe(ends) == 0 && (child = fork()) >= 0);
	if (child == 0) {
		struct timespec tick = {.tv_nsec = 1000000};
		struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
		struct itimerspec often = {tick, tick};
		timer_t timer;

		sigaction(SIGALRM, &action, NULL);
		timer_create(CLOCK_MONOTONIC, &event, &timer);
		timer_settime(timer, 0, &often, NULL);
		memset(bytes, 'x', sizeof bytes);
		errno = EDOM;
		os_write(ends[1], bytes, sizeof bytes);
		_exit(errno == EDOM ? 0 : 1);
	}
	close(ends[1]);
	while ((got = read(ends[0], bytes, 10000)) > 0) {
		REQUIRE(all_bytes(bytes, (size_t)got, 'x'));
		length += (size_t)got;
		usleep(2000);
	}
	close(ends[0]);
	waitpid(child, &status, 0);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(length, sizeof bytes);
}

TEST(a_write_to_nowhere_returns)
{
	errno = EDOM;
	EXPECT_EQ(os_write(-1, "x", 1), EBADF);
	EXPECT_EQ(os_write(-1, "", 0), 0);
	EXPECT_EQ(errno, EDOM);
}

/* Runs a call with errno set, and tells whether it is as it was. */
#define KEEPS_ERRNO(call)                                                                          \
	do {                                                                                       \
		errno = EDOM;                                                                      \
		(void)(call);                                                                      \
		EXPECT(errno == EDOM);                                                             \
	} while (0)

TEST(no_call_changes_errno_granted_or_refused)
{
	size_t page = os_page_size(), huge = (size_t)1 << 60;
	char *nowhere = (char *)(uintptr_t)(huge - page), *mem = NULL, *onto = NULL;

	KEEPS_ERRNO(mem = os_map(page, OS_HUGE));
	KEEPS_ERRNO(onto = os_map_aligned(2 * page, 16 * page, OS_HUGE));
	REQUIRE(mem && onto);
	KEEPS_ERRNO(os_map(huge, OS_HUGE));
	KEEPS_ERRNO(os_map_aligned(huge, MIB, OS_HUGE));
	KEEPS_ERRNO(os_map_at(mem, page));
	KEEPS_ERRNO(os_map_at(mem, huge));
	KEEPS_ERRNO(os_reserve(mem, huge));
	KEEPS_ERRNO(os_remap(mem, page, huge, true));
	KEEPS_ERRNO(os_remap_onto(mem, page, mem, page));
	KEEPS_ERRNO(os_remap_onto(mem, page, onto, 2 * page));
	KEEPS_ERRNO(os_purge(onto, page));
	KEEPS_ERRNO(os_purge(nowhere, page));
	KEEPS_ERRNO(os_wipe_on_fork(nowhere, page));
	KEEPS_ERRNO((os_unmap(onto, 2 * page), 0));
	KEEPS_ERRNO(os_break());
	KEEPS_ERRNO((os_futex_wait(&word, load_acquire(&word) + 1), 0));
	KEEPS_ERRNO((os_futex_wake(&word, 1), 0));
	KEEPS_ERRNO(os_getenv("LOAM_UNIT_NONE"));
	KEEPS_ERRNO(os_environment());
	KEEPS_ERRNO(os_clock());
	KEEPS_ERRNO(os_cpus() + os_page_size() + os_random(RANDOM_MARKS) + os_stack_end() +
		    os_secure());
}

static void die(void *arg)
{
	sigset_t all;

	(void)arg;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	os_abort();
}

static void on_abort(int signal)
{
	(void)signal;
	os_write(2, "handled", 7);
}

/* Where the signal is blocked, too, glibc 2.41 and newer do not call the handler. */
static void die_handled(void *arg)
{
	(void)arg;
	signal(SIGABRT, on_abort);
	os_abort();
}

TEST(abort_ends_the_process_blocked_ignored_or_handled)
{
	EXPECT_ABORT(die, NULL, "");
	EXPECT_ABORT(die_handled, NULL, "handled");
}

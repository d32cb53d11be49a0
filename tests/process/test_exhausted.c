/* All memory is used up: NULL and ENOMEM, and after half was freed a large block is had again. */
#include "test.h"

#include "process.h"

#include <pthread.h>
#include <sys/resource.h>

enum { ROOM_MIB = 96, LARGE_MIB = 16 };

/* A list through the blocks themselves, the newest first, takes no memory. */
struct link {
	struct link *older;
};

static void limit_room(int which, const char *in_use)
{
	rlim_t bytes =
		((rlim_t)proc_number("/proc/self/status", in_use) << 10) + ((rlim_t)ROOM_MIB << 20);
	struct rlimit limit = {bytes, bytes};

	MUST(setrlimit(which, &limit) == 0);
}

static void exhaust(size_t nbytes)
{
	struct link *newest = NULL, *made;
	size_t count = 0;
	void *large;

	errno = 0;
	while ((made = malloc(nbytes))) {
		made->older = newest;
		newest = made;
		count++;
	}
	MUST(errno == ENOMEM);
	MUST(count * nbytes > (size_t)ROOM_MIB << 19);
	errno = 0;
	MUST(!calloc(ROOM_MIB, 1 << 20) && errno == ENOMEM);
	errno = 0;
	MUST(!realloc(newest, (size_t)ROOM_MIB << 20) && errno == ENOMEM);
	for (size_t i = 0; i < count / 2; i++) {
		made = newest->older;
		free(newest);
		newest = made;
	}
	large = malloc((size_t)LARGE_MIB << 20);
	MUST(large);
	memset(large, 1, (size_t)LARGE_MIB << 20);
	free(large);
	for (; newest; newest = made) {
		made = newest->older;
		free(newest);
	}
	large = malloc((size_t)ROOM_MIB << 19);
	MUST(large);
	free(large);
	allocate_every_size();
}

static void *exhaust_in_thread(void *nbytes)
{
	exhaust(*(size_t *)nbytes);
	return NULL;
}

static const size_t sizes[] = {64, 1000, 5000, 60000, 200000, 1 << 20, 6 << 20};

static void exhaust_each_in_a_child(int which, const char *in_use, bool in_thread)
{
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		pid_t child = fork();
		pthread_t thread;

		if (child == 0) {
			alarm(CHILD_SECONDS);
			limit_room(which, in_use);
			if (!in_thread) {
				exhaust(sizes[i]);
				_exit(0);
			}
			MUST(pthread_create(&thread, NULL, exhaust_in_thread, (void *)&sizes[i]) ==
			     0);
			pthread_join(thread, NULL);
			_exit(0);
		}
		if (!EXPECT_EQ(child_wait(child), 0))
			printf("    in blocks of %zu bytes\n", sizes[i]);
	}
}

/* As glibc has it, who moves a block needs addresses for what is added alone. */
static void grow_by_realloc(void)
{
	size_t nbytes = (size_t)ROOM_MIB << 17, most = 0;
	char *mem = malloc(nbytes), *larger;

	MUST(mem);
	mem[0] = 1;
	while ((larger = realloc(mem, nbytes + (1 << 20)))) {
		mem = larger;
		nbytes += 1 << 20;
		mem[nbytes - 1] = 1;
		most = nbytes;
	}
	MUST(mem[0] == 1 && mem[nbytes - 1] == 1);
	if (most >> 20 < ROOM_MIB * 9 / 10)
		dprintf(2, "    grew to %zu MiB of %d\n", most >> 20, ROOM_MIB);
	MUST(most >> 20 >= ROOM_MIB * 9 / 10);
	free(mem);
}

/* What held many objects, all of which were freed, holds one, whatever they were. */
static void fill_then_allocate_large(size_t nbytes)
{
	struct link *newest = NULL, *made;
	void *large;

	while ((made = malloc(nbytes))) {
		made->older = newest;
		newest = made;
	}
	for (; newest; newest = made) {
		made = newest->older;
		free(newest);
	}
	MUST((large = malloc((size_t)ROOM_MIB * 3 / 4 << 20)));
	free(large);
	MUST((large = calloc(ROOM_MIB * 3 / 4, 1 << 20)));
	free(large);
	MUST((large = aligned_alloc(1 << 16, (size_t)ROOM_MIB * 3 / 4 << 20)));
	free(large);
	MUST((large = malloc(5 << 20)) && (large = realloc(large, (size_t)ROOM_MIB * 3 / 4 << 20)));
	free(large);
}

/* Whether blocks lie where chance has it, so that a few more or fewer fit. */
static bool is_scattered(void)
{
	const char *options = getenv("LOAM_OPTIONS");

	return options && strstr(options, "harden=3");
}

/*
 * As many blocks as there are, in addresses but for a part; and when all are freed, as many again.
 * The second time the system may put them where the page map knows nothing yet, all of them at
 * worst: tables of 64 KiB for each 16 MiB of addresses that they touch, and two leaves of 4 KiB.
 * What had just fitted does not fit beside these.
 */
static void fill_twice(size_t nbytes)
{
	enum {
		BLOCKS_MOST = 1024,
		TABLES = ROOM_MIB / 16 + 2,
		PAGEMAP_BYTES = (TABLES * 64 + 2 * 4) << 10
	};
	static void *blocks[BLOCKS_MOST];
	size_t first = 0, again = 0;
	size_t least_mib =
		getenv("LOAM_OPTIONS") ? ROOM_MIB * 85 / 100 : ROOM_MIB * 95 / 100 - (nbytes >> 20);

	while (first < BLOCKS_MOST && (blocks[first] = malloc(nbytes)))
		first++;
	for (size_t i = 0; i < first; i++)
		free(blocks[i]);
	while (again < first && (blocks[again] = malloc(nbytes)))
		again++;
	if (again < first || first * nbytes >> 20 < least_mib)
		dprintf(2, "    %zu and %zu blocks of %zu bytes in %d MiB\n", first, again, nbytes,
			ROOM_MIB);
	if (is_scattered())
		MUST(again * 50 >= first * 49);
	else
		MUST(again + 1 >= first || (first - again - 1) * nbytes < PAGEMAP_BYTES);
	MUST(first * nbytes >> 20 >= least_mib);
}

static void in_a_child(int which, const char *in_use, void (*work)(size_t), size_t nbytes)
{
	pid_t child = fork();

	if (child == 0) {
		alarm(CHILD_SECONDS);
		limit_room(which, in_use);
		if (work)
			work(nbytes);
		else
			grow_by_realloc();
		_exit(0);
	}
	if (!EXPECT_EQ(child_wait(child), 0))
		printf("    in blocks of %zu bytes\n", nbytes);
}

TEST(address_space)
{
	exhaust_each_in_a_child(RLIMIT_AS, "\nVmSize:", false);
}

/* glibc alone passes this or not as the place of its thread heaps, aligned to 64 MiB, has it. */
TEST(address_space_of_a_thread)
{
	exhaust_each_in_a_child(RLIMIT_AS, "\nVmSize:", true);
}

TEST(data)
{
	exhaust_each_in_a_child(RLIMIT_DATA, "\nVmData:", false);
}

static bool is_hardened(void)
{
	return getenv("LOAM_OPTIONS") != NULL;
}

TEST(growth)
{
	if (is_hardened()) /* there a block that grows always moves, by copying */
		return;
	in_a_child(RLIMIT_AS, "\nVmSize:", NULL, 0);
	in_a_child(RLIMIT_DATA, "\nVmData:", NULL, 0);
}

TEST(all_that_was_freed_is_one_block)
{
	for (size_t i = 0; !is_hardened() && i < sizeof sizes / sizeof sizes[0]; i++) {
		in_a_child(RLIMIT_AS, "\nVmSize:", fill_then_allocate_large, sizes[i]);
		in_a_child(RLIMIT_DATA, "\nVmData:", fill_then_allocate_large, sizes[i]);
	}
}

TEST(what_fitted_once_fits_again)
{
	static const size_t larger[] = {150000, 300000, 1 << 20, 1200000, 6 << 20};

	for (size_t i = 0; i < sizeof larger / sizeof larger[0]; i++)
		in_a_child(RLIMIT_AS, "\nVmSize:", fill_twice, larger[i]);
}

/*
 * Programs that reserve terabytes of addresses, as race detectors, sanitizers and runtimes do. What
 * the system maps afterwards lies behind the reservation, where the page map may take it for other
 * memory of the allocator's.
 */
#include "test.h"

#include "process.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define TIB ((size_t)1 << 40)

enum { HELD = 40, ROUNDS = 4, MIBS = 1 << 20 };

static struct block held[HELD];

/* Reserves addresses, at `place` if it is not NULL and nothing is there; NULL: there are not so
   many. */
static void *reserve(void *place, size_t nbytes)
{
	void *mem =
		mmap(place, nbytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static void aligned_everywhere(void)
{
	for (size_t alignment = 64; alignment <= (size_t)8 * MIBS; alignment *= 8)
		for (int i = 0; i < EVERY_SIZE; i++) {
			struct block b = {aligned_alloc(alignment, every_size[i]), every_size[i]};

			MUST(b.mem && (uintptr_t)b.mem % alignment == 0);
			block_fill(b);
			block_free(b);
		}
}

/* A huge object grows past its neighbours, over and over. */
static void grow_huge(void)
{
	struct block a = block_new(5 * MIBS), b = block_new(5 * MIBS);

	while (a.nbytes < (size_t)200 * MIBS) {
		a = block_grow(a);
		b = block_grow(b);
	}
	block_free(a);
	block_free(b);
}

/* More than one leaf's worth, of every size; what was there before is freed and resized. */
static void use_heap(void)
{
	for (int round = 0; round < ROUNDS; round++) {
		allocate_every_size();
		for (int i = 0; i < HELD; i++) {
			size_t nbytes = i % 3 == 0 ? 9 * MIBS : i % 3 == 1 ? 200000 : 3000;

			if (round % 2)
				held[i] = held[i].nbytes > MIBS ? held[i] : block_grow(held[i]);
			else if (held[i].mem)
				block_free(held[i]);
			if (round % 2 == 0)
				held[i] = block_new(nbytes);
		}
		aligned_everywhere();
	}
	grow_huge();
	for (int i = 0; i < HELD; i++)
		block_free(held[i]);
	malloc_trim(0);
	allocate_every_size();
}

/* Memory of all kinds, some of it held from before, in a child that has reserved this. */
static int use_behind(void *place, size_t nbytes, int times)
{
	pid_t child = fork();

	MUST(child >= 0);
	if (child == 0) {
		alarm(CHILD_SECONDS);
		for (int i = 0; i < HELD; i++)
			held[i] = block_new(every_size[i % EVERY_SIZE]);
		allocate_every_size();
		while (times--)
			if (!reserve(place, nbytes))
				_exit(77);
		use_heap();
		_exit(0);
	}
	return child_wait(child);
}

/* Many processors map fewer addresses. */
static bool is_there(int status)
{
	return !WIFEXITED(status) || WEXITSTATUS(status) != 77;
}

TEST(behind_a_reservation_of_any_size)
{
	static const size_t less[] = {0, 64 << 10, 100 << 20, 250 << 20, 300 << 20, 5ul << 30};

	if (!is_there(use_behind(NULL, 16 * TIB, 1)))
		test_skip("a process has no 16 TiB of addresses here");
	for (size_t tib = 8; tib <= 64; tib += 8)
		for (size_t i = 0; i < sizeof less / sizeof less[0]; i++) {
			int status = use_behind(NULL, tib * TIB - less[i], 1);

			EXPECT(status == 0 || (tib > 32 && !is_there(status)));
			if (status)
				dprintf(2, "%zu TiB less %zu: %d\n", tib, less[i], status);
		}
}

TEST(behind_several_and_around_places_of_ones_choice)
{
	int status = use_behind(NULL, 8 * TIB, 4);

	EXPECT(status == 0 || !is_there(status));
	for (size_t at = 1; at < 64; at += 5) {
		status = use_behind((void *)(at * TIB), 16 * TIB, 1);
		EXPECT(status == 0 || !is_there(status));
	}
}

/* A heap that reaches over several leaves. */
TEST(behind_a_large_heap)
{
	enum { LARGE = 20 };
	void *large[LARGE];
	int status;

	for (int i = 0; i < LARGE; i++)
		REQUIRE(large[i] = malloc((size_t)100 * MIBS));
	for (size_t gib = 0; gib < 3; gib++) {
		status = use_behind(NULL, 16 * TIB - (gib << 30), 1);
		EXPECT(status == 0 || !is_there(status));
	}
	for (int i = 0; i < LARGE; i++)
		free(large[i]);
}

/* With `room` bytes more of addresses, of which a child says what it could allocate and resize. */
static int use_in_little_room(size_t room)
{
	pid_t child = fork();

	MUST(child >= 0);
	if (child == 0) {
		struct block a = block_new(100 * MIBS), behind = block_new(8 * MIBS);
		struct rlimit most = {0, RLIM_INFINITY};
		unsigned char *grown;

		alarm(CHILD_SECONDS);
		/* where the object would grow to has the leaf of where it is */
		if (!reserve(NULL, 16 * TIB - 250 * MIBS))
			_exit(77);
		most.rlim_cur = proc_number("/proc/self/status", "\nVmSize:") * 1024 + room;
		MUST(setrlimit(RLIMIT_AS, &most) == 0);
		grown = realloc(a.mem, a.nbytes + room / 2);
		MUST(block_holds(grown ? grown : a.mem, a.nbytes, (unsigned char)a.nbytes));
		free(grown ? grown : a.mem);
		block_free(behind);
		for (int i = 0; i < 20; i++)
			block_free(block_new(room / 4));
		allocate_every_size();
		_exit(0);
	}
	return child_wait(child);
}

TEST(where_no_more_addresses_may_be_reserved)
{
	for (size_t room = (size_t)48 * MIBS; room < (size_t)200 * MIBS; room += 30 * MIBS) {
		int status = use_in_little_room(room);

		EXPECT(status == 0 || !is_there(status));
	}
}

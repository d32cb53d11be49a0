/* The first call, while which others call: code of others that loam came to, in the same thread. */
#include "api/start.h"

#include "base/bits.h"
#include "os/mappings.h"
#include "os_sim.h"
#include "test.h"

#include <loam/loam.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZES 6

static const size_t sizes[SIZES] = {0, 24, 1000, 40000, 300000, 5000000};

static char *given[SIZES], *cleared[SIZES], *aligned[SIZES];
static int nested;

/* Every function serves, though nothing of loam is there. */
static void call_while_it_starts(void)
{
	nested++;
	EXPECT(!start());
	for (int i = 0; i < SIZES; i++) {
		given[i] = loam_malloc(sizes[i]);
		cleared[i] = loam_calloc(1, sizes[i]);
		aligned[i] = loam_aligned_alloc(4096, sizes[i]);
		REQUIRE(given[i] && cleared[i] && aligned[i]);
		EXPECT(is_aligned((uintptr_t)aligned[i], 4096));
		EXPECT(loam_malloc_usable_size(given[i]) >= sizes[i]);
		memset(given[i], i, sizes[i]);
		for (size_t k = 0; k < sizes[i]; k += 100)
			EXPECT_EQ(cleared[i][k], 0);
		cleared[i] = loam_realloc(cleared[i], 2 * sizes[i] + 1);
		REQUIRE(cleared[i]);
		loam_free(loam_malloc(sizes[i]));
	}
	loam_mallinfo2();
	loam_malloc_trim(0);
}

/* Starts loam in a child, where the kernel allows 10,000 mappings, of which it is to take so
   many. */
static bool takes(size_t budget, const char *setting, size_t memory_limit)
{
	static const char path[] = "/proc/sys/vm/max_map_count", text[] = "10000\n";
	const char *environment[] = {setting, NULL};
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		os_sim_environment(environment);
		os_sim_set_memory_limit(memory_limit);
		os_sim_file(path, text, sizeof text - 1);
		REQUIRE(loam_malloc(100));
		EXPECT_EQ(mappings_budget(), budget);
		_exit(test_failures());
	}
	return waitpid(child, &status, 0) == child && status == 0;
}

TEST(the_number_of_mappings_is_read_where_many_may_be_taken)
{
	EXPECT(takes(MAPPINGS_BY_DEFAULT / 2, "NONE=1", SIZE_MAX));
	EXPECT(takes(MAPPINGS_BY_DEFAULT / 2, "LOAM_OPTIONS=harden=2", SIZE_MAX));
	EXPECT(takes(5000, "LOAM_OPTIONS=harden=3", SIZE_MAX));
	EXPECT(takes(5000, "LOAM_OPTIONS=limit=1G", SIZE_MAX));
	EXPECT(takes(5000, "NONE=1", GIB));
}

TEST(who_starts_it_is_served_meanwhile)
{
	char *mem;

	os_sim_at_start(call_while_it_starts);
	mem = loam_malloc(100);
	REQUIRE(mem);
	EXPECT_EQ(nested, 1);
	EXPECT(start());
	loam_free(mem);
}

TEST(what_was_given_meanwhile_is_freed_and_grows)
{
	for (int i = 0; i < SIZES; i++) {
		given[i] = loam_realloc(given[i], sizes[i] + 5000);
		REQUIRE(given[i]);
		for (size_t k = 0; k < sizes[i]; k++)
			EXPECT_EQ(given[i][k], i);
		loam_free(given[i]);
		loam_free(cleared[i]);
		loam_free(aligned[i]);
	}
	EXPECT(loam_check());
}

/* mallinfo, mallinfo2, malloc_stats, malloc_trim, mallopt: glibc's view of loam. */
#include "api/options.h"
#include "api/start.h"
#include "api/stats.h"
#include "arena/ring.h"
#include "base/bits.h"
#include "base/text.h"
#include "cache/alloc.h"
#include "cache/upkeep.h"
#include "harden/fence.h"
#include "harden/tools.h"
#include "os/os.h"
#include "os/seal.h"
#include "pages/retain.h"

#include <errno.h>
#include <limits.h>
#include <loam/loam.h>
#include <stdio.h>

struct mallinfo2 loam_mallinfo2(void)
{
	struct stats s;

	stats_collect(&s);
	return (struct mallinfo2){
		.arena = stats_in_use(&s) + stats_free(&s),
		.ordblks = s.heap.free_chunks,
		.hblks = s.huge.count,
		.hblkhd = s.huge.nbytes,
		.uordblks = stats_in_use(&s),
		.fordblks = stats_free(&s),
		.keepcost = s.top,
	};
}

static int to_int(size_t n)
{
	return n > INT_MAX ? INT_MAX : (int)n;
}

struct mallinfo loam_mallinfo(void)
{
	struct mallinfo2 m = loam_mallinfo2();

	return (struct mallinfo){
		.arena = to_int(m.arena),
		.ordblks = to_int(m.ordblks),
		.hblks = to_int(m.hblks),
		.hblkhd = to_int(m.hblkhd),
		.uordblks = to_int(m.uordblks),
		.fordblks = to_int(m.fordblks),
		.keepcost = to_int(m.keepcost),
	};
}

static void print_arena(size_t system, size_t in_use)
{
	fprintf(stderr, "system bytes     = %10zu\nin use bytes     = %10zu\n", system, in_use);
}

/* To the stream stderr, which the program may have set to another. No lock is held while it is written to,
   and all is collected before an arena's lines are printed: the stream may allocate. */
void loam_malloc_stats(void)
{
	struct arena_stats s[STATS_BATCH];
	size_t system = 0, in_use = 0, n;
	struct huge_sizes huge = {0};

	if (start())
		stats_huge(&huge);
	for (size_t first = 0; (n = stats_by_arena(s, first, STATS_BATCH)); first += n)
		for (size_t i = 0; i < n; i++) {
			fprintf(stderr, "Arena %zu:\n", first + i);
			print_arena(stats_arena_system(&s[i]), stats_arena_in_use(&s[i]));
			system += stats_arena_system(&s[i]);
			in_use += stats_arena_in_use(&s[i]);
		}
	fputs("Total (incl. mmap):\n", stderr);
	print_arena(system + huge.nbytes, in_use + huge.nbytes);
	fprintf(stderr, "max mmap regions = %10zu\nmax mmap bytes   = %10zu\n", huge.most_count,
		huge.most_nbytes);
}

/* Bytes from the system that hold memory, and bytes purged so far. */
struct sums {
	size_t held, purged;
};

static struct sums sum_up(void)
{
	struct zone_sizes zone;
	size_t purged = 0;

	zone_sizes(&zone);
	for (struct arena *a = NULL; (a = ring_next(a));)
		purged += load_relaxed(&a->chunks.purged_bytes);
	return (struct sums){load_relaxed(&retain_live) + load_relaxed(&retain_retained),
			     purged + zone.purged};
}

/* Whether anything went back: not in a signal handler that interrupted a call, which may hold the locks. */
static bool trim(size_t pad)
{
	struct sums before, after;
	struct cache *self = cache_enter();

	if (!self)
		return false;
	before = sum_up();
	cache_trim_all(self, pad);
	huge_purge(SIZE_MAX);
	zone_purge(SIZE_MAX);
	zone_unmap_free(false);
	zone_start(); /* as classes find it that are promoted next */
	retain_forget();
	after = sum_up();
	cache_leave(self);
	return after.held < before.held || after.purged > before.purged;
}

int loam_malloc_trim(size_t pad)
{
	bool trimmed;

	if (!start())
		return 0;
	tools_enter();
	trimmed = trim(pad);
	tools_leave();
	return trimmed;
}

int loam_mallopt(int parameter, int value)
{
	if (!start())
		return 1;
	return seal_open_options() ? options_mallopt(parameter, value) : 0;
}

void *loam_malloc_get_state(void)
{
	errno = ENOSYS;
	return NULL;
}

int loam_malloc_set_state(void *state)
{
	(void)state;
	return -1;
}

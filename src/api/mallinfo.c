/* mallinfo, mallinfo2, malloc_stats, malloc_trim, mallopt: glibc's view of loam. */
#include "api/options.h"
#include "api/start.h"
#include "api/stats.h"
#include "arena/registry.h"
#include "base/bits.h"
#include "base/text.h"
#include "harden/fence.h"
#include "harden/tools.h"
#include "os/os.h"
#include "os/seal.h"
#include "pages/retain.h"

#include <errno.h>
#include <limits.h>
#include <loam/loam.h>

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

static void put_line(struct text *t, const char *name, size_t n)
{
	text_printf(t, "%-16s = %10zu\n", name, n);
}

static void put_arena(struct text *t, const char *title, size_t system, size_t in_use)
{
	text_printf(t, "%s:\n", title);
	put_line(t, "system bytes", system);
	put_line(t, "in use bytes", in_use);
}

/* One "Arena 0": loam's arenas share their page frames, so only the sum means something. */
void loam_malloc_stats(void)
{
	char buffer[512];
	struct text t = {.buffer = buffer, .capacity = sizeof buffer};
	struct stats s;
	size_t system, in_use;

	stats_collect(&s);
	in_use = stats_in_use(&s);
	system = in_use + stats_free(&s);
	put_arena(&t, "Arena 0", system, in_use);
	put_arena(&t, "Total (incl. mmap)", system + s.huge.nbytes, in_use + s.huge.nbytes);
	put_line(&t, "max mmap regions", s.huge.most_count);
	put_line(&t, "max mmap bytes", s.huge.most_nbytes);
	os_write(2, t.buffer, t.length);
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
	for (struct arena *a = NULL; (a = registry_next(a));)
		purged += load_relaxed(&a->chunks.purged_bytes);
	return (struct sums){load_relaxed(&retain_live) + load_relaxed(&retain_retained),
			     purged + zone.purged};
}

/* Whether anything went back: not in a signal handler that interrupted a call, which may hold the locks. */
static bool trim(size_t pad)
{
	struct sums before, after;
	struct arena *self = arena_enter();

	if (!self)
		return false;
	before = sum_up();
	arena_trim_all(self, pad);
	huge_purge(SIZE_MAX);
	zone_purge(SIZE_MAX);
	zone_unmap_free(false);
	zone_start(); /* as classes find it that are promoted next */
	retain_forget();
	after = sum_up();
	arena_leave(self);
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

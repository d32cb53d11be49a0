/* malloc_stats: a few lines on stderr, as glibc prints them. */
#include "api/start.h"
#include "api/stats.h"
#include "os/process.h"

#include <loam/loam.h>
#include <pthread.h>
#include <stdio.h>

static void print_arena(size_t system, size_t in_use)
{
	fprintf(stderr, "system bytes     = %10zu\nin use bytes     = %10zu\n", system, in_use);
}

/* To the stream stderr, which the program may have set to another. No lock is held while it is
   written to, and all is collected before an arena's lines are printed: the stream may allocate. */
static void print_stats(void)
{
	struct stats_room room;
	size_t system = 0, in_use = 0, n;
	struct counters all;

	stats_room_init(&room);
	counters_collect(&all);
	for (size_t first = 0; (n = stats_by_arena(room.of, first, room.most, &all)); first += n)
		for (size_t i = 0; i < n; i++) {
			fprintf(stderr, "Arena %zu:\n", first + i);
			print_arena(stats_arena_system(&room.of[i]),
				    stats_arena_in_use(&room.of[i]));
			system += stats_arena_system(&room.of[i]);
			in_use += stats_arena_in_use(&room.of[i]);
		}
	stats_room_deinit(&room);
	fputs("Total (incl. mmap):\n", stderr);
	print_arena(system + counter(&all, huge_bytes), in_use + counter(&all, huge_bytes));
	fprintf(stderr, "max mmap regions = %10zu\nmax mmap bytes   = %10zu\n",
		(size_t)counter(&all, most_huge_objects), (size_t)counter(&all, most_huge_bytes));
}

/* Not a point of cancellation, as in glibc, though writing to a stream is one. */
void loam_malloc_stats(void)
{
	int before;

	start();
	before = os_set_cancel_state(PTHREAD_CANCEL_DISABLE);
	print_stats();
	os_set_cancel_state(before);
}

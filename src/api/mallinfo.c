/* mallinfo and mallinfo2: glibc's figures of loam. */
#include "api/start.h"
#include "api/stats.h"
#include "arena/ring.h"

#include <limits.h>
#include <loam/loam.h>

/* Tops are free chunks, but in no bin. */
static size_t count_tops(void)
{
	size_t tops = 0;

	ring_for_each (a)
		tops += load_relaxed(&a->chunks.top) != NULL;
	return tops;
}

struct mallinfo2 loam_mallinfo2(void)
{
	struct heap_sizes main_heap;
	struct counters cs;

	start();
	counters_collect(&cs);
	heap_sizes(&arena_main.chunks, &main_heap);
	return (struct mallinfo2){
		.arena = stats_in_use(&cs) + stats_free(&cs),
		.ordblks = counter(&cs, free_chunks) + count_tops(),
		.hblks = counter(&cs, huge_objects),
		.hblkhd = counter(&cs, huge_bytes),
		.uordblks = stats_in_use(&cs),
		.fordblks = stats_free(&cs),
		.keepcost = main_heap.top,
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

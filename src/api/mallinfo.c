/* mallinfo and mallinfo2: glibc's figures of loam. */
#include "api/stats.h"

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

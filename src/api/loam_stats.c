/* loam_stats: the counters, for programs. */
#include "api/start.h"
#include "observe/counters.h"

#include <errno.h>
#include <loam/loam.h>
#include <string.h>

#define COUNTER(name, ...)                                                                         \
	static_assert(offsetof(struct loam_stats, name) == COUNTER_##name * sizeof(uint64_t),      \
		      "fields are in the order of counter_rows.def");
#include "observe/counter_rows.def"
#undef COUNTER

static_assert(sizeof(struct loam_stats) == sizeof(struct counters), "and all are there");

int loam_stats(struct loam_stats *ret_stats, size_t size)
{
	size_t known = size < sizeof(struct counters) ? size : sizeof(struct counters);
	struct counters counters;

	if (!size || size % sizeof(uint64_t))
		return EINVAL;
	start();
	counters_collect(&counters);
	memcpy(ret_stats, &counters, known);
	memset((char *)ret_stats + known, 0, size - known);
	return 0;
}

/* malloc_trim: all free memory goes back at once. */
#include "api/start.h"
#include "base/probe.h"
#include "cache/trim.h"
#include "harden/tools.h"

#include <loam/loam.h>

/* Whether anything went back: not in a signal handler that interrupted a call, which may hold the
   locks. */
static bool trim(size_t pad)
{
	struct cache *self = cache_enter();
	bool any;

	if (!self)
		return false;
	trim_all(self, pad, &any);
	cache_leave(self);
	return any;
}

int loam_malloc_trim(size_t pad)
{
	bool trimmed;

	if (!start())
		return 0;
	PROBE1(loam, trim, pad);
	tools_enter();
	trimmed = trim(pad);
	tools_leave();
	return trimmed;
}

/* loam_check, loam_owns, loam_version. */
#include "api/start.h"
#include "cache/cache.h"
#include "cache/depot.h"
#include "config.h"
#include "harden/tools.h"
#include "pages/huge.h"
#include "pages/zone.h"

#include <loam/loam.h>

static bool check_all(void)
{
	struct cache *self = cache_enter();
	bool ok;

	if (!self) /* a signal handler in the middle of a call */
		return true;
	ok = zone_check();
	ok &= huge_check();
	ok &= cache_check(self);
	ok &= depot_check();
	ring_for_each (a) {
		if (!ring_lock_this(a))
			continue;
		ok &= arena_check(a);
		lock_release_inline(&a->lock); /* a proof that fails ends nothing here */
	}
	cache_leave(self);
	return ok;
}

bool loam_check(void)
{
	bool ok;

	if (!start())
		return true;
	tools_enter();
	ok = check_all();
	tools_leave();
	return ok;
}

bool loam_owns(const void *mem)
{
	bool owns;

	tools_enter();
	owns = mem && (pagemap_get(mem) || huge_around(mem, false));
	tools_leave();
	return owns;
}

const char *loam_version(void)
{
	return CONFIG_VERSION;
}

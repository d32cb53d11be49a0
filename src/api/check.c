/* loam_check, loam_owns, loam_version. */
#include "api/start.h"
#include "arena/registry.h"
#include "config.h"
#include "pages/huge.h"
#include "pages/zone.h"

#include <loam/loam.h>

bool loam_check(void)
{
	struct arena *self = start() ? arena_enter() : NULL;
	bool ok;

	if (!self) /* not started, or a signal handler in the middle of a call */
		return true;
	ok = zone_check();
	ok &= huge_check();
	arena_leave(self);
	for (struct arena *a = NULL; (a = registry_next(a));) {
		if (!registry_hold(a))
			continue;
		ok &= arena_check(a);
		registry_let_go(a);
	}
	return ok;
}

bool loam_owns(const void *mem)
{
	return mem && (pagemap_get(mem) || huge_around(mem));
}

const char *loam_version(void)
{
	return CONFIG_VERSION;
}

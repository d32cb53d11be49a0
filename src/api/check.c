/* loam_check, loam_owns, loam_version. */
#include "api/start.h"
#include "arena/registry.h"
#include "config.h"
#include "pages/huge.h"
#include "pages/zone.h"

#include <loam/loam.h>

bool loam_check(void)
{
	bool ok;

	if (!start())
		return true;
	ok = zone_check();
	ok &= huge_check();
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

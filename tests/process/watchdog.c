/* Part of every program here: what hangs is ended, and what was to be preloaded must have been. */
#include "process.h"

enum { WATCHDOG_SECONDS = 1000 };

__attribute__((weak)) const char *loam_version(void);

/* A library that cannot be preloaded is ignored by the dynamic linker with a mere warning. */
__attribute__((constructor)) static void watch(void)
{
	const char *preload = getenv("LD_PRELOAD");

	alarm(WATCHDOG_SECONDS);
	MUST(!preload || !strstr(preload, "libloam") || loam_version);
}

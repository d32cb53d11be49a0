/* The thread that gives memory back; see background.h. */
#include "api/background.h"

#include "base/options.h"
#include "cache/upkeep.h"
#include "os/line.h"
#include "os/os.h"
#include "os/process.h"

static void keep_up(void)
{
	for (;;) {
		struct cache *self;

		os_sleep(options.decay_ms * OS_MS);
		self = cache_enter();
		cache_do_all_due(self);
		cache_leave(self);
	}
}

void background_start(void)
{
	if (!os_thread("loam", keep_up))
		line_say("background: no thread can be started; memory goes back as the "
			 "program's threads allocate and free");
}

/* The thread that gives memory back; see background.h. */
#include "api/background.h"

#include "base/options.h"
#include "cache/upkeep.h"
#include "observe/proc.h"
#include "os/line.h"
#include "os/os.h"
#include "os/process.h"

static struct cache *starter; /* of the thread that began this one; NULL: unknown */

/* Whether no other thread is left. That of the process's first thread is looked at first, since it
   costs little, and that thread is there nearly always. */
static bool is_last(void)
{
	return starter && !robust_is_held(&starter->holder, true) && proc_threads() - 1 < 2;
}

static void keep_up(void)
{
	for (;;) {
		struct cache *self;

		os_sleep(options.decay_ms * OS_MS);
		if (is_last())
			return;
		self = cache_enter();
		cache_do_all_due(self);
		cache_leave(self);
	}
}

void background_start(void)
{
	struct cache *self = cache_enter();

	if (self)
		cache_leave(self);
	starter = mine.cache;
	if (!os_thread("loam", keep_up))
		line_say("background: no thread can be started; memory goes back as the "
			 "program's threads allocate and free");
}

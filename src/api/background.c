/* The thread that gives memory back; see background.h. */
#include "api/background.h"

#include "base/bits.h"
#include "base/options.h"
#include "cache/upkeep.h"
#include "observe/proc.h"
#include "os/line.h"
#include "os/os.h"
#include "os/process.h"

static struct cache *starter; /* that of the process's first thread; NULL: that did not start it */

/* Whether no other thread is left. Threads are counted only when the one that began this one has
   ended, which its robust mutex tells for less. */
static bool is_last(void)
{
	size_t n;

	if (!starter || robust_is_held(&starter->holder, true))
		return false;
	n = proc_threads();
	return n == 1 || n == 2; /* the second is the first thread, which counts though it ended */
}

/* Sleeps for decay_ms; returns false when no other thread is left. Looks each second, since
   decay_ms may be a day, and the process ends only when this thread does. */
static bool sleep_between(void)
{
	for (size_t slept = 0, step; slept < options.decay_ms; slept += step) {
		step = smaller(options.decay_ms - slept, 1000);
		os_sleep(step * OS_MS);
		if (is_last())
			return false;
	}
	return true;
}

static void keep_up(void)
{
	while (sleep_between()) {
		struct cache *self = cache_enter();

		cache_do_all_due(self);
		cache_leave(self);
	}
}

void background_start(void)
{
	struct cache *self = cache_enter();

	if (self)
		cache_leave(self);
	starter = os_is_initial_thread() ? mine.cache : NULL;
	if (!os_thread("loam", keep_up))
		line_say("background: no thread can be started; memory goes back as the "
			 "program's threads allocate and free");
}

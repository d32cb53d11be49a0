/* The first call; see start.h. */
#include "api/start.h"

#include "api/options.h"
#include "api/record.h"
#include "arena/early.h"
#include "arena/registry.h"
#include "base/bits.h"
#include "os/lock.h"
#include "os/os.h"

static struct lock start_lock = LOCK_INIT(LOCK_START);
bool start_done;

static void start_once(void)
{
	os_start();
	slab_start(mix64(os_random()));
	heap_start(mix64(os_random() + 1));
	options_read();
	fork_start();
	registry_start();
	if (options.record)
		record_start((const char *)options.record);
	store_release(&start_done, true);
	if (options.perturb || recording)
		arena_watch_all();
	else
		store_release(&fast_limit, FAST_GRANULES);
}

bool start_first(void)
{
	if (!early_is_over())
		return false;
	lock_acquire(&start_lock);
	if (!start_done)
		start_once();
	lock_release(&start_lock);
	return true;
}

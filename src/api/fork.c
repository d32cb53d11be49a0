/*
 * fork: the locks are held across it, so that the child finds what they protect
 * whole.  A child that ran no handlers (_Fork, clone) is noticed by a word on a
 * page that the kernel wipes in it; what another thread was changing just then
 * is given up there.
 */
#include "api/fork.h"

#include "api/record.h"
#include "arena/magazine.h"
#include "arena/registry.h"
#include "base/check.h"
#include "harden/quarantine.h"
#include "harden/sampled.h"
#include "os/lock.h"
#include "os/os.h"
#include "pages/huge.h"
#include "pages/metadata.h"
#include "pages/zone.h"

static uint32_t always = 1;
uint32_t *fork_generation = &always;

void fork_start(void)
{
	uint32_t *page = os_map(os_page_size(), OS_METADATA);

	if (!page)
		return;
	if (!os_wipe_on_fork(page, os_page_size())) {
		os_unmap(page, os_page_size());
		return;
	}
	*page = 1;
	fork_generation = page;
}

void fork_recover(void)
{
	metadata_recover();
	zone_recover();
	huge_recover();
	magazine_recover();
	registry_recover();
	quarantine_recover();
	sampled_recover();
	record_recover();
	store_relaxed(fork_generation, 1);
}

/*
 * When a signal handler that interrupted loam forks, its thread may hold a lock
 * already.  To wait for another then could be for ever, so none is taken, and
 * the child recovers as one without handlers does.
 */
void loam_prefork(void)
{
	if (record_locked() || quarantine_locked() || sampled_locked() ||
	    registry_locked() || magazine_locked() || huge_locked() ||
	    zone_locked() || metadata_locked())
		return;
	record_prefork();
	quarantine_prefork();
	sampled_prefork();
	registry_prefork();
	magazine_prefork();
	huge_prefork();
	zone_prefork();
	metadata_prefork();
}

void loam_postfork_parent(void)
{
	metadata_postfork();
	zone_postfork();
	huge_postfork();
	magazine_postfork();
	registry_postfork();
	sampled_postfork();
	quarantine_postfork();
	record_postfork();
}

void loam_postfork_child(void)
{
	loam_postfork_parent();
	fork_recover();
}

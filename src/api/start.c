/* The first call; see start.h. */
#include "api/start.h"

#include "api/describe.h"
#include "api/options.h"
#include "api/requests.h"
#include "observe/profile.h"
#include "observe/threads.h"
#include "observe/watch.h"
#include "arena/early.h"
#include "arena/ring.h"
#include "base/bits.h"
#include "observe/error_words.h"
#include "os/check.h"
#include "os/line.h"
#include "report/report.h"
#include "harden/fence.h"
#include "harden/quarantine.h"
#include "harden/tools.h"
#include "observe/metrics.h"
#include "os/files.h"
#include "os/lock.h"
#include "os/mappings.h"
#include "os/os.h"
#include "pages/hugetlb.h"
#include "pages/limit.h"
#include "pages/nodes.h"
#include "pages/retain.h"
#include "api/seal.h"
#include "pages/zone.h"

static struct lock start_lock = LOCK_INIT(LOCK_START);
SEALED bool start_done;

static void start_report(void)
{
	const char *path = (const char *)options.report_file;
	char words[ERROR_WORDS_MOST];
	struct os_file file;
	int error = path ? os_create_aside(&file, path, OS_APPEND) : 0;

	if (error)
		line_say("report_file: %s cannot be written: %s; reports stand here alone", path,
			 error_words(error, words));
	else if (path)
		report_to(&file, path);
	report_details = describe;
}

/* Under tools every class is promoted at once, too, as settle_hardened() has it for harden=2. */
static void start_fences(void)
{
	size_t nbytes = options.harden == 3 || tools ? 64 * MIB : MIB;

	options.promote_after = 1;
	quarantine_start(options.quarantine ? options.quarantine : nbytes);
	fence_start(os_random(RANDOM_FENCES), options.harden == 3);
}

/* Without a rate it is for option leak, which notes all. */
static void start_profile(void)
{
	if (!profile_start(options.prof ? options.prof : 1))
		line_say("prof: no memory for the table; nothing is sampled");
}

static bool constructed; /* start lock */

/* For good only where that is asked for: filters of system calls that are inherited may not know so
   new a one, and kill. */
static void seal_if_ready(void)
{
	ASSERT(lock_held(&start_lock));
	if (constructed && start_done)
		seal(options.harden >= 2);
}

void start_constructed(void)
{
	lock_acquire(&start_lock);
	constructed = true;
	seal_if_ready();
	lock_release(&start_lock);
}

/* Two heaps that grow by brk have no common lock, and may both get the same memory. */
static bool may_use_brk(void)
{
	return front_is_malloc && front_is_malloc() && !options.keep_deepbind;
}

/* Whether the process may come to take many mappings: for guards, or for holes where a limit makes
   it unmap what is free. */
static bool may_map_much(void)
{
	return options.harden == 3 || options.limit || os_memory_limit() != SIZE_MAX;
}

static void start_once(void)
{
	ASSERT(lock_held(&start_lock) && !start_done && early_is_over());
	os_start();
	run_start(os_random(RANDOM_RUNS));
	slab_start(os_random(RANDOM_MARKS));
	heap_start(os_random(RANDOM_HEADERS));
	options_read();
	fork_start();
	if (may_map_much())
		mappings_read();
	if (retain_limit_is_auto())
		limit_start();
	nodes_note();
	ring_start(may_use_brk());
	zone_start();
	start_report();
	tools_start();
	if (options.harden >= 2 || tools)
		start_fences();
	if (options.hugetlb && !fences)
		hugetlb_start();
	if (options.record)
		record_start((const char *)options.record);
	requests_start();
	store_release(&start_done, true);
	if (options.metrics)
		metrics_start((const char *)options.metrics);
	if (options.guard)
		sampled_start();
	if (options.prof || options.leak)
		start_profile();
	if (options.leak)
		threads_start();
	if (options.perturb || recording || fences)
		watch_all();
	else
		watch_open();
	seal_if_ready();
}

/* A call of the thread that is just starting loam comes from what others put in the place of code
   that loam calls, or from a signal handler. */
bool start_first(void)
{
	if (!early_is_over() || lock_held(&start_lock))
		return false;
	lock_acquire(&start_lock);
	if (!start_done)
		start_once();
	lock_release(&start_lock);
	return true;
}

/*
 * fork: no lock is held across it.  libc and the program take locks of their own around a fork,
 * behind which other threads wait that wait for memory; so who waited for those with loam's locks
 * held would wait for ever.
 *
 * The child has of each other thread's stores all up to some point, and none behind it: the kernel
 * copies the page tables under a lock that page faults wait for, and what another processor still
 * writes before its translations are flushed goes to pages that the child shares.  So what a lock
 * protects is changed in an order that leaves it whole, or mendable, after each single store; and
 * of locks that were held by threads which do not exist here the child mends what is behind them.
 * What such threads had in hand is lost, no more.
 *
 * A child that ran no handler (_Fork, clone), or in which a handler of the program runs before
 * ours, is noticed by a word on a page that the kernel wipes in it: where a slow path begins, and
 * before a lock is waited for. Emulators that wipe no page (qemu-user) cost a system call there:
 * the process's number is compared.  Kernels would not do for that, where a child of vfork shares
 * the memory and has another number; emulators give it a copy.
 */
#include "api/fork.h"

#include "observe/metrics.h"
#include "observe/profile.h"
#include "observe/record.h"
#include "base/options.h"
#include "cache/caches.h"
#include "cache/depot.h"
#include "cache/requests.h"
#include "cache/shared_pages.h"
#include "harden/quarantine.h"
#include "os/children.h"
#include "os/lock.h"
#include "os/memory_limits.h"
#include "os/os.h"
#include "os/process.h"
#include "pages/huge.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "report/report.h"

#include <limits.h>

static uint32_t always = 1;
uint32_t *fork_generation = &always;

/* What a child finds wiped. */
struct fork_page {
	uint32_t generation; /* not 0: the fork was noticed, and all is mended; atomic */
	uintptr_t mending;   /* thread_self() of who mends; atomic */
};

static struct fork_page *page; /* NULL: no child finds it wiped */
static uint32_t never;	       /* stays 0, where numbers are compared */
static uint64_t process;       /* the number of this one then, else 0 */

static void notice(void)
{
	fork_notice();
}

void fork_start(void)
{
	struct fork_page *new = os_map(os_page_size(), OS_METADATA);

	if (!new)
		return;
	if (!os_wipe_on_fork(new, os_page_size())) {
		os_unmap(new, os_page_size());
		if (os_is_emulated()) {
			process = os_process();
			fork_generation = &never;
			store_release(&lock_before_wait, notice);
		}
		return;
	}
	new->generation = 1;
	page = new;
	fork_generation = &new->generation;
	store_release(&lock_before_wait, notice);
}

/*
 * Every lock but that of the start, behind which no second thread is; and how what it protects is
 * mended if another thread held it.  None of these takes a lock, since the forking thread may hold
 * any: a signal handler that interrupted it may fork, and then it goes on here with what it holds.
 */
static const struct {
	struct lock *lock;
	void (*recover)(void); /* NULL: there is nothing to mend */
} recoveries[] = {
	{&metadata_lock, NULL},
	{&zone_lock, zone_recover},
	{&huge_lock, huge_recover},
	{&caches_lock, NULL},
	{&ring_list_lock, NULL},
	{&sampled_lock, sampled_recover},
	{&profile_lock, samples_recover},
	{&quarantine_lock, quarantine_recover},
	{&record_lock, NULL},
	{&memory_limits_lock, memory_limits_recover},
};

/* Whether the caller is to mend. Else another thread of the child has, or it is a signal handler
   that interrupted its thread there. */
static bool begin(void)
{
	uintptr_t mender = 0;

	if (process && process == os_process())
		return false;
	if (process)
		process = os_process();
	if (!page || __atomic_compare_exchange_n(&page->mending, &mender, thread_self(), false,
						 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return true;
	while (mender != thread_self() && !load_acquire(&page->generation))
		os_futex_wait(&page->generation, 0);
	return false;
}

static void end(void)
{
	if (!page)
		return;
	store_release(&page->generation, 1);
	os_futex_wake(&page->generation, INT_MAX);
}

static void mend(bool forker)
{
	for (size_t i = 0; i < sizeof recoveries / sizeof recoveries[0]; i++)
		if (lock_recover(recoveries[i].lock) && recoveries[i].recover)
			recoveries[i].recover();
	retain_forget_claims();
	depot_recover();
	ring_retire_locked();
	cache_recover(forker || os_is_initial_thread());
	requests_forget();
	shared_pages_begin();
	record_begin_anew();
	metrics_recover();
	if (options.report == REPORT_FULL || options.report_file)
		report_recover(); /* else its page stays untouched */
}

/* The thread is inside, so that a signal handler that interrupts this is served elsewhere. */
static void recover(bool forker)
{
	bool entered = cache_begin();

	if (begin()) {
		mend(forker);
		end();
	}
	if (entered)
		cache_end();
}

void fork_recover(void)
{
	recover(false);
}

void fork_child(void)
{
	if (fork_generation == &always || !load_relaxed(fork_generation))
		recover(true);
	children_enter();
}

/* The parent of little memory has few pages that could be copied, and the child's end would have to
   be watched. */
#define PARENT_LEAST (16 * MIB)

void fork_prepare(void)
{
	shared_pages_fork_begins(!mine.inside);
	children_begin(load_relaxed(&retain_live) >= PARENT_LEAST && !os_is_emulated());
}

void fork_parent(void)
{
	shared_pages_fork_ends();
	if (load_relaxed(&retain_live) < PARENT_LEAST || !mine.cache || !children_live())
		return;
	shared_pages_forked();
	cache_owe(mine.cache, OWED_LOOK);
}

/* All arenas, and how threads come by them; see registry.h. */
#include "arena/registry.h"

#include "arena/remote.h"
#include "base/check.h"
#include "base/options.h"
#include "os/os.h"
#include "pages/metadata.h"

/* Arenas looked at for one that nobody holds, when a thread wants one. */
#define LOOKS 16

/* The last threads' arenas: when threads come and go, the next one finds the last one's there. */
#define RECENT 32

struct arena arena_main;

/* The thread is being bound: a signal handler that allocates now must not begin it again. */
static __thread bool binding __attribute__((tls_model("initial-exec")));

/* For threads without an arena of their own; common lock. */
static struct arena common_first;
static struct arena *common = &common_first;
struct lock common_lock = LOCK_INIT(LOCK_COMMON);

struct lock registry_lock = LOCK_INIT(LOCK_REGISTRY);
static struct arena *all;	     /* every arena, newest first; release-published */
static uint32_t count;		     /* registry lock; read relaxed */
static struct arena *cursor;	     /* where the next look begins; a hint */
static struct arena *recent[RECENT]; /* a ring; hints */
static uint32_t recent_last;
static struct pool arenas = POOL_INIT(struct arena);

static void add(struct arena *a)
{
	lock_acquire(&registry_lock);
	a->number = count;
	a->chunks.number = a->number + 1;
	a->next = all;
	store_release(&all, a);
	store_relaxed(&count, count + 1);
	lock_release(&registry_lock);
}

size_t registry_count(void)
{
	return load_relaxed(&count);
}

void registry_start(void)
{
	/* Heaps by brk lie apart from all else, and take a leaf of the page map for themselves. */
	arena_init(&arena_main, os_memory_limit() >= OS_MEMORY_SCARCE);
	add(&arena_main);
	arena_mine = &arena_main;
}

/* Locks an arena that nobody holds; false when somebody does.  One whose thread was killed in
   the middle of its use (by asynchronous cancellation) is retired. */
static bool try_hold(struct arena *a)
{
	enum robust_state state;

	if (load_relaxed(&a->retired) || a->shared)
		return false;
	state = robust_try(&a->holder);
	if (state == ROBUST_GONE) {
		found_at(a);
		store_relaxed(&a->retired, load_relaxed(&a->busy));
	}
	if (state != ROBUST_BUSY && a->retired)
		robust_release(&a->holder);
	return state != ROBUST_BUSY && !a->retired;
}

static struct arena *advance(void)
{
	struct arena *a = load_acquire(&cursor);

	a = a && a->next ? a->next : load_acquire(&all);
	store_release(&cursor, a);
	return a;
}

static void note_recent(struct arena *a)
{
	store_release(&recent[(add_relaxed(&recent_last, 1) + 1) % RECENT], a);
}

static struct arena *adopt_recent(void)
{
	uint32_t last = load_relaxed(&recent_last);

	for (uint32_t i = 0; i < RECENT; i++) {
		struct arena *a = load_acquire(&recent[(last - i) % RECENT]);

		if (a && try_hold(a))
			return a;
	}
	return NULL;
}

static struct arena *adopt(void)
{
	uint32_t looks = registry_count() < LOOKS ? (uint32_t)registry_count() : LOOKS;
	struct arena *a = adopt_recent();

	for (; !a && looks; looks--) {
		a = advance();
		if (!try_hold(a))
			a = NULL;
	}
	return a;
}

static struct arena *make(void)
{
	struct arena *a = pool_alloc(&arenas);

	if (!a)
		return NULL;
	if (!arena_init(a, false)) {
		pool_free(&arenas, a);
		return NULL;
	}
	add(a);
	return a;
}

/* NULL without memory, or when a signal handler interrupted its holder. */
static struct arena *enter_common(void)
{
	if (lock_held(&common_lock))
		return NULL;
	lock_acquire(&common_lock);
	if (!common)
		common = pool_alloc(&arenas);
	if (common && !common->shared) {
		arena_init(common, false);
		common->shared = true;
		add(common);
	}
	if (!common)
		lock_release(&common_lock);
	return common;
}

/* Adopts one, makes one, or uses the common one for now. */
struct arena *registry_bind(void)
{
	struct arena *a;

	if (binding)
		return NULL;
	binding = true;
	a = adopt();
	if (!a && (!options.arena_max || registry_count() < options.arena_max))
		a = make();
	if (a) {
		note_recent(a);
		arena_mine = a;
		arena_share(a);
		arena_use_hot_side(a);
	}
	binding = false;
	return a ? a : enter_common();
}

void registry_leave_common(void)
{
	lock_release(&common_lock);
}

void registry_tend(struct arena *a)
{
	if (!try_hold(a))
		return;
	arena_tend(a);
	robust_release(&a->holder);
}

void registry_tend_next(void)
{
	if (registry_count() > 1)
		registry_tend(advance());
}

struct arena *registry_next(const struct arena *a)
{
	return a ? a->next : load_acquire(&all);
}

struct arena *registry_at(size_t number)
{
	struct arena *a = registry_next(NULL);

	while (a->number != number)
		a = registry_next(a);
	return a;
}

bool registry_hold(struct arena *a)
{
	if (load_relaxed(&a->retired))
		return false;
	if (a != arena_mine && !a->shared)
		return try_hold(a);
	if (a->shared ? lock_held(&common_lock) : a->busy)
		return false;
	if (a->shared)
		lock_acquire(&common_lock);
	store_relaxed(&a->busy, true);
	return true;
}

void registry_let_go(struct arena *a)
{
	if (a->shared || a == arena_mine)
		arena_leave(a);
	else
		robust_release(&a->holder);
}

/* --- fork ---------------------------------------------------------------------------------- */

void registry_recover_list(void)
{
	uint32_t n = 0;

	for (const struct arena *a = load_acquire(&all); a; a = a->next)
		n++;
	store_relaxed(&count, n);
}

void registry_recover_common(void)
{
	if (common)
		common->retired = true;
	common = NULL;
}

/* The kernel knows the child's thread by another number, so it must hold its arena anew. */
void registry_retire_others(void)
{
	for (struct arena *a = load_acquire(&all); a; a = a->next) {
		if (a->shared || a->retired)
			continue;
		if (a == arena_mine)
			robust_hold_anew(&a->holder);
		else if (try_hold(a))
			robust_release(&a->holder);
		else
			store_relaxed(&a->retired, true);
	}
}

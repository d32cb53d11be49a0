/* The ring of arenas; see ring.h. */
#include "arena/ring.h"

#include "base/probe.h"
#include "os/check.h"
#include "os/os.h"
#include "pages/metadata.h"

struct arena arena_main;

struct lock ring_list_lock = LOCK_INIT(LOCK_RING);

struct arena *ring_all;	 /* newest first; ring lock, release-published */
static uint32_t count;	 /* ring lock; read relaxed */
static uint32_t retired; /* of these; written in a forked child while it has one thread */
static struct pool pool = POOL_INIT(struct arena);

void ring_start(bool brk)
{
	/* Heaps by brk lie apart from all else, and take a leaf of the page map for themselves. */
	arena_init(&arena_main, brk && os_memory_limit() >= OS_MEMORY_SCARCE, 1);
	store_release(&ring_all, &arena_main);
	count = 1;
}

size_t ring_count(void)
{
	return load_relaxed(&count);
}

static size_t most(void)
{
	return options.arena_max ? options.arena_max : os_cpus();
}

struct arena *ring_next(const struct arena *a)
{
	return a ? a->next : load_acquire(&ring_all);
}

struct arena *ring_at(size_t number)
{
	struct arena *a = ring_next(NULL);

	ASSERT(number >= 1 && number <= ring_count());
	while (a->number != number)
		a = ring_next(a);
	return a;
}

/* The thread that holds it may not exist in this process. */
bool ring_wait(struct arena *a)
{
	void (*before)(void) = load_acquire(&lock_before_wait);

	if (before)
		before();
	if (load_relaxed(&a->retired))
		return false;
	PROBE1(loam, arena_wait, a->number);
	lock_acquire(&a->lock);
	return true;
}

/* The one after it; behind the oldest comes the newest. */
static struct arena *after(const struct arena *a)
{
	return a->next ? a->next : ring_next(NULL);
}

/* Locks the next arena that is not locked, the ring once round; NULL: all are. */
static struct arena *try_others(const struct arena *a)
{
	for (struct arena *b = after(a); b != a; b = after(b))
		if (ring_try(b))
			return b;
	return NULL;
}

/* Makes an arena, locked; NULL: there are enough, or there is no memory. */
static struct arena *make(void)
{
	struct arena *a = NULL;

	lock_acquire(&ring_list_lock);
	if (count - retired < most())
		a = pool_alloc(&pool);
	if (a) {
		arena_init(a, false, count + 1);
		a->next = ring_all;
		lock_acquire(&a->lock);
		store_release(&ring_all, a);
		ASSERT(a->number == count + 1 && retired <= count);
		store_relaxed(&count, count + 1);
		PROBE1(loam, arena_new, a->number);
	}
	lock_release(&ring_list_lock);
	return a;
}

/* Waits for the first one from a on that is in use; NULL: none is. */
static struct arena *wait_for(struct arena *a)
{
	for (size_t n = ring_count(); n; n--, a = after(a))
		if (ring_lock_this(a))
			return a;
	return NULL;
}

NOINLINE struct arena *ring_lock_another(struct arena **arena)
{
	struct arena *last = load_relaxed(arena), *a = try_others(last);

	if (!a)
		a = make();
	if (!a)
		a = wait_for(last);
	if (a)
		store_relaxed(arena, a);
	return a;
}

void ring_recover_list(void)
{
	uint32_t n = 0;

	for (const struct arena *a = NULL; (a = ring_next(a));)
		n++;
	store_relaxed(&count, n);
}

void ring_retire(struct arena *a)
{
	ASSERT(!a->retired && load_relaxed(&a->lock.word) == LOCK_FREE);
	store_relaxed(&a->retired, true);
	lock_close(&a->lock);
}

void ring_retire_locked(void)
{
	for (struct arena *a = ring_next(NULL); a; a = ring_next(a))
		if (!a->retired && lock_recover(&a->lock)) {
			ring_retire(a);
			arena_forget(a);
			retired++;
		}
}

/* The ring of arenas; see ring.h. */
#include "arena/ring.h"

#include "base/probe.h"
#include "os/os.h"
#include "pages/metadata.h"
#include "pages/nodes.h"

struct arena arena_main;

struct lock ring_list_lock = LOCK_INIT(LOCK_RING);

struct arena *ring_surplus;
struct arena *ring_all; /* newest first; ring lock, release-published */
static struct pool pool = POOL_INIT(struct arena);

void ring_start(bool brk)
{
	/* Heaps by brk lie apart from all else, and take a leaf of the page map for themselves. */
	arena_init(&arena_main, brk && os_memory_limit() >= OS_MEMORY_SCARCE, 1);
	arena_main.node = (uint8_t)nodes_here();
	store_release(&ring_all, &arena_main);
}

struct arena *ring_next(const struct arena *a)
{
	return a ? a->next : load_acquire(&ring_all);
}

size_t ring_count(void)
{
	const struct arena *newest = ring_next(NULL);

	return newest ? newest->number : 0;
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

/* Locks the node's next arena that is not locked, the ring once round; NULL: all are. */
static struct arena *try_others(const struct arena *a, unsigned node)
{
	for (struct arena *b = after(a); b != a; b = after(b))
		if (b->node == node && ring_try(b))
			return b;
	return NULL;
}

/* The newest arena of a node; NULL: it has none. */
static struct arena *of_node(unsigned node)
{
	ring_for_each (a)
		if (a->node == node && !load_relaxed(&a->retired))
			return a;
	return NULL;
}

/* Whether a node may have one more. By default it has as many as there are processors at most; with
   arena_max all have so many together, but each has one. */
static bool may_make(unsigned node)
{
	size_t all = 0, here = 0;

	ring_for_each (a)
		if (!load_relaxed(&a->retired)) {
			all++;
			here += a->node == node;
		}
	return options.arena_max ? all < options.arena_max || !here : here < os_cpus();
}

/* Makes an arena of a node, locked; NULL: it has enough, or there is no memory. */
static struct arena *make(unsigned node)
{
	struct arena *a = NULL;

	lock_acquire(&ring_list_lock);
	if (may_make(node))
		a = pool_alloc(&pool);
	if (a) {
		arena_init(a, false, (uint32_t)ring_count() + 1);
		a->node = (uint8_t)node;
		a->next = ring_all;
		lock_acquire(&a->lock);
		store_release(&ring_all, a);
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
	unsigned node = nodes_here();
	struct arena *last = load_acquire(arena), *a = try_others(last, node), *first = last;

	if (!a)
		a = make(node);
	if (!a && last->node != node)
		first = of_node(node);
	if (!a)
		a = wait_for(first ? first : last);
	if (a)
		store_release(arena, a);
	return a;
}

void ring_follow(struct arena **arena)
{
	unsigned node = nodes_here();
	struct arena *a = load_acquire(arena);

	if (a->node == node)
		return;
	a = of_node(node);
	if (!a) {
		a = make(node);
		if (a)
			ring_unlock(a);
	}
	if (a)
		store_release(arena, a);
}

/* Round the ring, one thread after the other. */
static struct arena *next_for_thread(void)
{
	static struct arena *last; /* release-published, as ring_all: a hint */
	struct arena *a = load_acquire(&last);

	a = a ? after(a) : ring_next(NULL);
	store_release(&last, a);
	return a;
}

struct arena *ring_join(size_t nthreads)
{
	struct arena *a = NULL;

	if (nthreads > RING_THREADS * ring_count())
		a = make(nodes_here());
	if (a)
		ring_unlock(a);
	return a ? a : next_for_thread();
}

/* A free object of an arena's slabs, of the smallest class that fits and has one; NULL: none. */
static COLD void *take_object(struct arena *a, size_t alignment, size_t req)
{
	size_t size = alignment <= CLASS_SIZE_MAX ? class_size_aligned(alignment, req) : 0;
	void *mem = NULL;
	bool zero;

	for (unsigned sc = size ? class_of(size) : CLASSES; !mem && sc < CLASSES; sc++)
		if (arena_is_hot(a, sc) && class_size(sc) % alignment == 0)
			mem = slabs_take_one(a->slabs, sc, false, &zero);
	return mem;
}

void *ring_alloc_held(size_t alignment, size_t req)
{
	void *mem = NULL;

	for (struct arena *a = NULL; !mem && (a = ring_next(a));) {
		if (!ring_lock_this(a))
			continue;
		heap_sort(&a->chunks);
		mem = heap_memalign_held(&a->chunks, alignment, req);
		if (!mem)
			mem = take_object(a, alignment, req);
		ring_unlock(a);
	}
	if (!mem)
		PROBE2(loam, no_memory, req, alignment);
	return mem;
}

void ring_retire(struct arena *a)
{
	ASSERT(!a->retired && load_relaxed(&a->lock.word) == LOCK_FREE);
	store_relaxed(&a->retired, true);
	lock_close(&a->lock);
}

void ring_retire_locked(void)
{
	ring_for_each (a)
		if (!a->retired && lock_recover(&a->lock)) {
			ring_retire(a);
			arena_forget(a);
		}
}

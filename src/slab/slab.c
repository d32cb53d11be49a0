/* Slabs; see slab.h. */
#include "slab/slab.h"

#include "base/check.h"
#include "os/os.h"
#include "pages/guard.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/zone.h"

#include <string.h>

struct slab slab_none = {
	.tag = {.kind = KIND_SLAB},
	.free = &slab_none.end,
};

static struct pool slabs = POOL_INIT(struct slab);
static uint64_t process_secret;
SEALED uint64_t slab_mark_secret;
static bool watch_all;
static bool hardened, guards; /* see slab_harden() */

void slab_start(uint64_t secret)
{
	process_secret = secret;
	slab_mark_secret = mix64(~secret);
}

/* floor(2^64 / size) + 1; 2^64 itself does not fit a word. */
static uint64_t magic_of(size_t size)
{
	return UINT64_MAX / size + (is_power_of_two(size) ? 2 : 1);
}

static void set_carved(struct slab *s, uint32_t carved)
{
	uint64_t e = s->magic * s->size;

	s->carved = carved;
	s->extent = carved * s->size;
	store_relaxed(&s->limit, carved * e);
}

void slab_watch_all(void)
{
	store_relaxed(&watch_all, true);
}

void slab_watch(struct slab *s)
{
	pagemap_set_hot((void *)s->base, ORDER_BYTES(s->order), 0);
}

void slab_harden(bool with_guards)
{
	hardened = true;
	guards = with_guards;
}

static size_t guard_bytes(const struct slab *s)
{
	bool has = guards && ORDER_BYTES(s->order) >= s->size + os_page_size();

	return has ? os_page_size() : 0;
}

static void *guard_of(const struct slab *s)
{
	return (char *)s->base + ORDER_BYTES(s->order) - guard_bytes(s);
}

/* What is over at the end, where the last page has a hot word; one granule at least. */
static void mark_rest(const struct slab *s)
{
	struct object *rest = (struct object *)(s->base + s->extent);
	size_t page = s->extent / PAGE_SIZE;

	if (s->carved == s->capacity && page < slab_hot_pages(s) && !(s->withdrawn >> page & 1))
		rest->key = slab_mark(rest);
}

void slab_set_hot(const struct slab *s, size_t first, size_t end)
{
	for (size_t page = first; page < end; page++)
		pagemap_set_hot((void *)(s->base + page * PAGE_SIZE), PAGE_SIZE,
				s->withdrawn >> page & 1 || load_relaxed(&watch_all) ? 0 : s->hot);
	mark_rest(s);
}

void slab_geometry(unsigned class, uint64_t *ret_mask, uint64_t *ret_magic, uint64_t *ret_limit)
{
	size_t size = class_size(class), nbytes = ORDER_BYTES(class_order(class));

	*ret_mask = nbytes - 1;
	*ret_magic = magic_of(size);
	*ret_limit = nbytes / size * (*ret_magic * size);
}

static void describe(struct slab *s, unsigned class, void *block, unsigned order)
{
	s->base = (uintptr_t)block;
	s->secret = mix64(process_secret ^ s->base ^ (uintptr_t)s) | 1;
	s->class = (uint8_t) class;
	s->order = (uint8_t)order;
	s->size = (uint32_t)class_size(class);
	s->capacity = (uint32_t)((ORDER_BYTES(s->order) - guard_bytes(s)) / s->size);
	s->magic = magic_of(s->size);
	s->end.link = (s->base - 1) ^ s->secret;
	s->free = &s->end;
	set_carved(s, 0);
	s->state = SLAB_CURRENT;
	s->tag.live = 1;
	s->tag.kind = KIND_SLAB;
	s->swept = UINT32_MAX;
}

static void harden(struct slab *s)
{
	if (!s->clean)
		memset((void *)s->base, 0, ORDER_BYTES(s->order));
	s->clean = true;
	if (guard_bytes(s))
		guard_lay(&s->tag, guard_of(s), guard_bytes(s));
}

struct slab *slab_new(struct arena *owner, unsigned class, unsigned order, uint16_t hot)
{
	struct slab *s = pool_alloc(&slabs);
	void *block;
	bool clean;

	if (!s)
		return NULL;
	block = zone_alloc_pages((size_t)1 << order, class_order(class), &clean);
	if (!block) {
		pool_free(&slabs, s);
		return NULL;
	}
	describe(s, class, block, order);
	s->owner = owner;
	s->hot = hot;
	s->clean = clean;
	if (hardened)
		harden(s);
	pagemap_set(block, ORDER_BYTES(s->order), &s->tag);
	ASSERT_SLOW(slab_check(s));
	return s;
}

bool slab_is_ready(unsigned class)
{
	return pool_is_ready(&slabs) && zone_is_ready(class_order(class));
}

void slab_free(struct slab *s)
{
	void *block = (void *)s->base;
	unsigned order = s->order;
	uint64_t pages = slab_carved_pages(s) & ~s->withdrawn;
	size_t touched = pages ? (highest_bit(pages) + 1) * PAGE_SIZE : 0;

	ASSERT_SLOW(slab_check(s));
	retain_add_live((intptr_t)slab_page_bytes(s->withdrawn));
	if (!guard_lift(&s->tag, guard_of(s), guard_bytes(s)))
		return; /* and it stays a slab without objects */
	slab_watch(s);
	pagemap_set(block, ORDER_BYTES(order), NULL);
	pool_free(&slabs, s);
	zone_free(block, order, touched);
}

UNSYNCHRONIZED uint32_t slab_objects_out(const struct slab *s)
{
	switch (s->state) {
	case SLAB_CURRENT:
		return s->tag.live - 1;
	case SLAB_FULL:
		return s->capacity;
	default:
		return s->tag.live + s->mark;
	}
}

static void list_object(struct slab *s, uint32_t i)
{
	struct object *o = (struct object *)(s->base + (size_t)i * s->size);

	slab_push(s, o);
}

/* Puts objects [first, end) on the empty free list, the first on top; the end is at most a page's
   objects further. */
static void list_in_order(struct slab *s, uint32_t first, uint32_t end)
{
	for (uint32_t i = end; i-- > first;)
		list_object(s, i);
}

/* The same in random order. */
static COLD void list_shuffled(struct slab *s, uint32_t first, uint32_t end)
{
	uint16_t order[PAGE_SIZE / GRANULE];
	uint64_t random = mix64(s->secret ^ first);

	for (uint32_t i = 0; i < end - first; i++) {
		uint32_t j = (uint32_t)(random >> 32) % (i + 1);

		order[i] = order[j];
		order[j] = (uint16_t)i;
		random = mix64(random);
	}
	for (uint32_t i = 0; i < end - first; i++)
		list_object(s, first + order[i]);
}

/* Carves what starts in the next page, at least one object; false when all is carved.  The
   free list is empty. */
static bool carve(struct slab *s)
{
	size_t room = PAGE_SIZE - s->extent % PAGE_SIZE;
	uint32_t more = (uint32_t)((room + s->size - 1) / s->size);
	uint32_t first = s->carved;
	size_t pages = slab_hot_pages(s);

	if (more > s->capacity - first)
		more = s->capacity - first;
	if (!more)
		return false;
	set_carved(s, first + more);
	s->free = &s->end;
	if (UNLIKELY(hardened))
		list_shuffled(s, first, first + more);
	else
		list_in_order(s, first, first + more);
	slab_set_hot(s, pages, slab_hot_pages(s));
	return true;
}

void slab_report_link(const struct slab *s, const struct object *o)
{
	report_corruption("malloc(): corrupted free list",
			  (struct report_about){.mem = o, .kind = "link of a free object", .usable = s->size});
}

struct object *slab_take(struct slab *s)
{
	struct object *o = s->free, *next;

	if (slab_is_end(s, o)) {
		if (!(s->withdrawn && slab_restore(s)) && !carve(s))
			return NULL;
		o = s->free;
	}
	next = slab_next(s, o);
	if ((!slab_is_end(s, next) && !slab_in_extent(s, next)) || o->key != slab_mark(o))
		slab_report_link(s, o);
	s->free = next;
	o->key = 0;
	return o;
}

static uint32_t count_withdrawn(const struct slab *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; s->withdrawn && i < s->carved; i++)
		n += (slab_pages(s, i) & s->withdrawn) != 0;
	return n;
}

static bool check_hot(const struct slab *s)
{
	bool ok = true;

	for (size_t page = 0; page < (size_t)1 << s->order; page++) {
		bool none = page >= slab_hot_pages(s) || s->withdrawn >> page & 1 || load_relaxed(&watch_all);

		ok &= expect_eq("S6", pagemap_hot((char *)s->base + page * PAGE_SIZE),
				none ? 0 : s->hot);
	}
	return ok;
}

bool slab_check(const struct slab *s)
{
	const struct object *o = s->free;
	uint32_t free = 0;
	bool ok = true;

	for (; free < s->carved && slab_starts_object(s, o); free++) {
		ok &= expect_eq("S5", slab_is_withdrawn(s, o), false);
		ok &= expect_eq("S1", o->key, slab_mark(o));
		o = slab_next(s, o);
	}
	ok &= expect_eq("S1", (uintptr_t)o, (uintptr_t)&s->end);
	ok &= expect_eq("S2", slab_objects_out(s), s->carved - free - count_withdrawn(s));
	ok &= expect_eq("S5", s->withdrawn & ~slab_carved_pages(s), 0);
	ok &= expect_eq("S3", s->extent, s->carved * s->size);
	ok &= expect_eq("S3", s->carved <= s->capacity, true);
	for (size_t i = 0; i < ORDER_BYTES(s->order); i += PAGE_SIZE)
		ok &= expect_eq("S4", (uintptr_t)pagemap_get((char *)s->base + i), (uintptr_t)s);
	return ok & check_hot(s);
}

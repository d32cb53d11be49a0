/*
 * Pages of a slab that hold nothing: to the system, and back; see slab.h.
 *
 * A few objects that stay would otherwise keep a whole slab in RAM.  A page is
 * given back when every object that overlaps it is free; those objects then
 * leave the free list, because their links and marks are gone.  What is left of
 * the list is linked anew in the order of addresses.
 */
#include "base/bits.h"
#include "os/os.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "slab/slab.h"

#define OBJECTS_MOST ((size_t)4096)

static_assert(ORDER_BYTES(4) / GRANULE <= OBJECTS_MOST, "a bit for every object of a slab");

static void set_withdrawn(struct slab *s, uint64_t pages)
{
	store_relaxed(&s->withdrawn, pages);
	slab_set_hot(s, 0, slab_hot_pages(s));
}

/* Notes every object of the free list. */
static void find_free(const struct slab *s, uint64_t *free)
{
	for (const struct object *o = s->free; !slab_is_end(s, o); o = slab_next(s, o)) {
		size_t i = ((uintptr_t)o - s->base) / s->size;

		if (!slab_starts_object(s, o) || bit_test(free, i))
			slab_report_link(s, o);
		bit_set(free, i);
	}
}

/* The pages of objects that are out. */
static uint64_t busy_pages(const struct slab *s, const uint64_t *free)
{
	uint64_t busy = 0, pages;

	for (uint32_t i = 0; i < s->carved; i++) {
		pages = slab_pages(s, i);
		if (!bit_test(free, i) && !(pages & s->withdrawn))
			busy |= pages;
	}
	return busy;
}

/* Purges the hardware pages that are not busy and were carved; the pages that it could. */
static uint64_t purge(struct slab *s, uint64_t busy)
{
	uint64_t carved = slab_carved_pages(s), done = 0, pages = 0;
	unsigned each = (unsigned)(os_page_size() / PAGE_SIZE), first, n;

	for (first = 0; first < 1u << s->order; first += each) {
		uint64_t page = slab_page_set(first, each);

		if (!(page & busy) && (page & carved & ~s->withdrawn))
			pages |= page;
	}
	for (; pages; pages &= ~slab_page_set(first, n)) {
		first = lowest_bit(pages);
		n = ~(pages >> first) ? lowest_bit(~(pages >> first)) : 64;
		if (os_purge((char *)s->base + first * PAGE_SIZE, n * PAGE_SIZE))
			done |= slab_page_set(first, n);
	}
	return done & carved & ~s->withdrawn;
}

static struct object *object_at(const struct slab *s, uint32_t i)
{
	return (struct object *)(s->base + (size_t)i * s->size);
}

size_t slab_withdraw(struct slab *s)
{
	uint64_t free[OBJECTS_MOST / 64] = {0};
	uint64_t pages;

	find_free(s, free);
	pages = purge(s, busy_pages(s, free));
	if (!pages)
		return 0;
	set_withdrawn(s, s->withdrawn | pages);
	s->free = &s->end;
	for (uint32_t i = s->carved; i-- > 0;)
		if (bit_test(free, i) && !(slab_pages(s, i) & s->withdrawn))
			slab_push(s, object_at(s, i));
	retain_add_live(-(intptr_t)slab_page_bytes(pages));
	return slab_page_bytes(pages);
}

/* Lists the objects that overlap [start, end) of the block, but for those that overlap pages
   still withdrawn. */
static void push_between(struct slab *s, size_t start, size_t end, uint64_t withdrawn)
{
	uint32_t first = (uint32_t)(start / s->size);
	uint32_t last = (uint32_t)((end - 1) / s->size);

	for (uint32_t i = last < s->carved ? last + 1 : s->carved; i-- > first;)
		if (!(slab_pages(s, i) & withdrawn))
			slab_push(s, object_at(s, i));
}

/* By whole hardware pages, as they were withdrawn. */
bool slab_restore(struct slab *s)
{
	uint64_t before = s->withdrawn, left = before;
	const struct object *free = s->free;
	size_t page = os_page_size(), start;

	while (left && s->free == free) {
		start = align_down(lowest_bit(left) * PAGE_SIZE, page);
		left &= ~slab_page_set(start / PAGE_SIZE, page / PAGE_SIZE);
		push_between(s, start, start + page, left);
	}
	if (left == before)
		return false;
	set_withdrawn(s, left);
	retain_add_live((intptr_t)slab_page_bytes(before & ~left));
	retain_faults(slab_page_bytes(before & ~left));
	return true;
}

size_t slab_idle_bytes(const struct slab *s)
{
	size_t used = (size_t)slab_objects_out(s) * s->size + slab_page_bytes(s->withdrawn);

	return s->extent > used ? s->extent - used : 0;
}

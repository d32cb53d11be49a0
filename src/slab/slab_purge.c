/* Pages of slabs that are given back to the system, closed, or watched; see slab.h. */
#include "pages/retain.h"
#include "slab/slab.h"

bool slab_all_watched;

void slab_watch_all(void)
{
	store_relaxed(&slab_all_watched, true);
}

void slab_clear_hot(struct slab *s)
{
	pagemap_set_hot((void *)s->base, ORDER_BYTES(s->order), 0);
}

void slab_watch_page(struct slab *s, const void *object, bool watched)
{
	size_t page = ((uintptr_t)object - s->base) / PAGE_SIZE;
	uint64_t bit = (uint64_t)1 << page;

	ASSERT(page < (size_t)1 << s->order);
	store_relaxed(&s->watched, watched ? s->watched | bit : s->watched & ~bit);
	if (slab_is_open(s, page))
		pagemap_set_hot(slab_page_at(s, page), PAGE_SIZE,
				slab_page_is_hot(s, page) ? slab_hot_word(s->class) : 0);
}

/* The touched pages of whole hardware pages without an object in use. The search goes on from an
   object in use with the next one that overlaps another page. */
static uint64_t idle_pages(const struct slab *s)
{
	uint64_t busy = 0, out, pages;
	uint32_t i, next;

	for (uint32_t w = 0; 64 * w < s->capacity; w++)
		for (out = ~s->free[w]; out; out = next < 64 ? out >> next << next : 0) {
			i = 64 * w + lowest_bit(out);
			if (i >= s->capacity)
				break;
			pages = slab_pages(s, i);
			busy |= pages;
			next = slab_index(s, slab_page_at(s, highest_bit(pages) + 1)) - 64 * w;
		}
	return s->touched & ~slab_hardware_pages(busy);
}

/* Purges a set of whole hardware pages; returns those that the system took. */
static uint64_t purge_pages(const struct slab *s, uint64_t pages)
{
	uint64_t done = 0;
	unsigned first, n;

	for (; pages; pages &= ~slab_page_set(first, n)) {
		first = lowest_bit(pages);
		n = ~(pages >> first) ? lowest_bit(~(pages >> first)) : 64;
		if (os_purge(slab_page_at(s, first), n * PAGE_SIZE))
			done |= slab_page_set(first, n);
	}
	return done;
}

static void close_pages(struct slab *s, uint64_t pages)
{
	ASSERT(!(pages & ~s->open));
	s->open &= ~pages;
	for (; pages; pages &= pages - 1)
		pagemap_set_hot(slab_page_at(s, lowest_bit(pages)), PAGE_SIZE, 0);
}

void slab_close(struct slab *s)
{
	s->was_closed = true;
	close_pages(s, s->open);
}

bool slab_give_unmarked(struct slab *s, const struct object *o)
{
	uint32_t i = slab_index(s, o);

	ASSERT(slab_starts_object(s, o));
	if (slab_is_open(s, slab_page_of(s, i)) || bit_test(s->free, i))
		return false;
	slab_add_free(s, i / 64, s->free[i / 64] | (uint64_t)1 << (i % 64));
	store_relaxed(&s->out, s->out - 1);
	return true;
}

/* An object that is out keeps every hardware page that it overlaps. A hardware page may be
   larger than a first, small slab, and hold memory of others. */
size_t slab_purge(struct slab *s)
{
	uint64_t done;

	if (ORDER_BYTES(s->order) < os_page_size())
		return 0;
	done = purge_pages(s, slab_hardware_pages(idle_pages(s)));
	close_pages(s, s->open & done);
	done &= s->touched;
	s->touched &= ~done;
	s->purged |= done;
	ASSERT(!(s->open & ~s->touched) && !(s->purged & s->touched)); /* S5 */
	retain_add_live(-(intptr_t)slab_page_bytes(done));
	return slab_page_bytes(done);
}

size_t slab_idle_bytes(const struct slab *s)
{
	return slab_page_bytes(idle_pages(s));
}

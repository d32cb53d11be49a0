/* The proofs of a slab's invariants; see slab.h. */
#include "slab/slab.h"

static bool check_object(const struct slab *s, uint32_t i)
{
	const struct object *o = slab_object(s, i);
	bool open = slab_is_open(s, slab_page_of(s, i)), ok = true;

	if (!bit_test(s->free, i)) {
		ok &= expect_eq("S3", open || s->was_closed, true);
		ok &= expect_eq("S3", slab_pages(s, i) & ~s->touched, 0);
	} else if (open) {
		ok &= expect_eq("S2", o->link, (uintptr_t)o);
		ok &= expect_eq("S2", o->key, slab_mark(o));
	}
	return ok;
}

bool slab_check_bits(const struct slab *s)
{
	uint32_t free = 0;
	bool ok = true;

	for (uint32_t w = 0; 64 * w < s->capacity; w++) {
		free += bits_count(s->free[w]);
		ok &= expect_eq("S1", s->words >> w & 1, s->free[w] != 0);
	}
	return expect_eq("S1", s->out + free, s->capacity) && ok;
}

static bool check_page(const struct slab *s, size_t page)
{
	const void *mem = slab_page_at(s, page);
	bool hot = slab_is_open(s, page) && slab_page_is_hot(s, page);

	return expect_eq("S4", (uintptr_t)pagemap_get(mem), (uintptr_t)s) &
	       expect_eq("S6", pagemap_hot(mem), hot ? slab_hot_word(s->class) : 0);
}

bool slab_check(const struct slab *s)
{
	bool ok = slab_check_bits(s);

	ok &= expect_eq("S5", s->open & ~s->touched, 0);
	ok &= expect_eq("S5", s->purged & (s->touched | s->open), 0);
	ok &= expect_eq("S5", (s->touched | s->purged) & ~slab_all_pages(s), 0);
	for (uint32_t i = 0; ok && i < s->capacity; i++)
		ok &= check_object(s, i);
	for (size_t page = 0; page < (size_t)1 << s->order; page++)
		ok &= check_page(s, page);
	return ok;
}

bool slab_check_cached(const struct object *o, unsigned sc, const char *label)
{
	const struct slab *s = (const struct slab *)pagemap_get(o);

	return expect_eq(label, s && s->tag.kind == KIND_SLAB, true) &&
	       expect_eq(label, s->class, sc) && expect_eq(label, slab_starts_object(s, o), true) &&
	       expect_eq(label, slab_has_free(s, o), false) &&
	       expect_eq(label, o->key, slab_mark(o));
}

/* Objects taken from slabs, and pages that are opened for them; see slab.h. */
#include "slab/slab.h"

static uint64_t random; /* of hardened slabs; a race costs no more than a repetition */

/* --- pages ---------------------------------------------------------------------------------- */

/* Notes that pages may hold memory from now on. */
static void touch(struct slab *s, uint64_t pages)
{
	uint64_t back;

	s->touched |= pages;
	ASSERT(!(pages & ~slab_all_pages(s)));
	if (LIKELY(!(pages & s->purged)))
		return;
	back = s->purged & slab_hardware_pages(pages);
	s->purged &= ~back;
	retain_add_live((intptr_t)slab_page_bytes(back));
	retain_faults(slab_page_bytes(back));
}

/* Opens a closed page: marks the free objects that start there, of which i is the first, and what
   is left over at the slab's end, if it starts there (see slab.h); then gives the page its hot
   word. */
static void open_page(struct slab *s, size_t page, uint32_t i)
{
	size_t rest = (size_t)s->capacity * s->size;
	uint32_t end = slab_first_object(s, page + 1);

	ASSERT(page < (size_t)1 << s->order && !slab_is_open(s, page));
	touch(s, slab_page_set(page, 1));
	for (; i < end && i < s->capacity; i++)
		if (bit_test(s->free, i))
			slab_set_marks(slab_object(s, i));
	if (page == rest / PAGE_SIZE)
		slab_set_marks((struct object *)(s->base + rest));
	s->open |= slab_page_set(page, 1);
	if (slab_page_is_hot(s, page))
		pagemap_set_hot(slab_page_at(s, page), PAGE_SIZE, slab_hot_word(s->class));
}

/* --- objects -------------------------------------------------------------------------------- */

/* The first free object from i on; capacity: none. */
static uint32_t next_free(const struct slab *s, uint32_t i)
{
	uint64_t word, words;
	size_t w = i / 64;

	if (i >= s->capacity)
		return s->capacity;
	word = s->free[w] >> (i % 64) << (i % 64);
	if (word)
		return (uint32_t)(64 * w + lowest_bit(word));
	words = w < 63 ? s->words >> (w + 1) << (w + 1) : 0;
	if (!words)
		return s->capacity;
	w = lowest_bit(words);
	return (uint32_t)(64 * w + lowest_bit(s->free[w]));
}

/* The first free object from i on that starts in an open page; capacity: none. */
static uint32_t next_open(const struct slab *s, uint32_t i)
{
	uint64_t later;
	size_t page;

	for (i = next_free(s, i); i < s->capacity; i = next_free(s, i)) {
		page = slab_page_of(s, i);
		if (slab_is_open(s, page))
			break;
		later = s->open >> page;
		if (!later)
			return s->capacity;
		i = slab_first_object(s, page + lowest_bit(later));
	}
	return i;
}

/* A random free object among those that start in the page of i. */
static COLD uint32_t another(const struct slab *s, uint32_t i)
{
	size_t page = slab_page_of(s, i);
	uint32_t first = slab_first_object(s, page), end = slab_first_object(s, page + 1), other;

	ASSERT(first <= i && i < end);
	random = mix64(random + slab_mark_secret);
	other = next_free(s, first + (uint32_t)(random % (end - first)));
	return other < end && other < s->capacity ? other : i;
}

static void set_word(struct slab *s, uint32_t w, uint64_t word)
{
	ASSERT(w <= (s->capacity - 1) / 64 && !(word & ~s->free[w])); /* takes only */
	store_relaxed(&s->free[w], word);
	if (!word)
		s->words &= ~((uint64_t)1 << w);
}

/* The end of a run from i on, an object that starts in an open page: objects of one word of free[],
   all of which start in open pages. */
static uint32_t run_end(const struct slab *s, uint32_t i)
{
	size_t page = slab_page_of(s, i);
	uint64_t closed = ~s->open >> page;
	uint32_t end = closed ? slab_first_object(s, page + lowest_bit(closed)) : s->capacity;

	ASSERT(!(closed & 1) && end > i);
	return end < i / 64 * 64 + 64 ? end : i / 64 * 64 + 64;
}

/* Takes up to `most` free objects of a run, of which i is the first. Reports one whose mark was
   overwritten; its first word is checked when the object is handed to the program. Only the last
   one taken can reach into a page that is not open. */
static uint32_t take_run(struct slab *s, uint32_t i, uint32_t end, struct object **ret_end,
			 uint32_t most)
{
	const uint32_t w = i / 64;
	const uintptr_t base = (uintptr_t)slab_object(s, 64 * w);
	const uint64_t secret = slab_mark_secret, among = bits_mask(w, i, end);
	const uint32_t size = s->size;
	uint64_t word = s->free[w] & among, pages;
	struct object *o;
	uint32_t n = 0;

	ASSERT(word && most);
	do {
		o = (struct object *)(base + lowest_bit(word) * size);
		if (IS_WRONG(o->key != (secret ^ (uintptr_t)o)))
			slab_report_written(s, o);
		*--ret_end = o;
		word &= word - 1;
	} while (++n < most && word);
	set_word(s, w, (s->free[w] & ~among) | word);
	pages = slab_pages(s, slab_index(s, o));
	if (UNLIKELY(pages & ~s->touched))
		touch(s, pages);
	return n;
}

/* slab_take_open() where i is the first object that can be taken, or capacity. */
static uint32_t take_from(struct slab *s, uint32_t i, struct object **ret_end, uint32_t most)
{
	uint32_t n = 0, end;

	while (n < most && i < s->capacity) {
		if (UNLIKELY(slab_is_hardened))
			i = another(s, i);
		end = UNLIKELY(slab_is_hardened) ? i + 1 : run_end(s, i);
		n += take_run(s, i, end, ret_end - n, most - n);
		i = next_open(s, UNLIKELY(slab_is_hardened) ? 0 : end);
	}
	store_relaxed(&s->out, s->out + n);
	ASSERT_SLOW(slab_check_bits(s));
	return n;
}

uint32_t slab_take_open(struct slab *s, struct object **ret_end, uint32_t most)
{
	return take_from(s, next_open(s, 0), ret_end, most);
}

/* Marks and takes n objects from i on, all of which are free and start in one closed page, which is
   opened next. */
static void take_closed(struct slab *s, uint32_t i, struct object **ret_end, uint32_t n)
{
	const uintptr_t first = (uintptr_t)slab_object(s, i), size = s->size,
			stop = first + n * size;
	const uint64_t secret = slab_mark_secret;

	touch(s, slab_pages(s, i) | slab_pages(s, i + n - 1));
	for (uintptr_t o = first; o != stop; o += size) {
		((struct object *)o)->link = o;
		((struct object *)o)->key = secret ^ o;
		*--ret_end = (struct object *)o;
	}
	for (uint32_t w = i / 64; 64 * w < i + n; w++) {
		ASSERT(!(bits_mask(w, i, i + n) & ~s->free[w]));
		set_word(s, w, s->free[w] & ~bits_mask(w, i, i + n));
	}
	store_relaxed(&s->out, s->out + n);
}

uint32_t slab_take_page(struct slab *s, struct object **ret_end, uint32_t most)
{
	uint32_t first = next_free(s, 0), n = 0;
	size_t page;

	ASSERT(most && next_open(s, 0) == s->capacity);
	if (first == s->capacity || !slab_page_is_allowed(s, slab_page_of(s, first)))
		return 0;
	page = slab_page_of(s, first);
	if (LIKELY(!slab_is_hardened && !s->was_closed)) {
		n = slab_first_object(s, page + 1) - first; /* S3: all are free */
		n = n < s->capacity - first ? n : s->capacity - first;
		n = n < most ? n : most;
		take_closed(s, first, ret_end, n);
	}
	open_page(s, page, first + n);
	return n ? n : take_from(s, first, ret_end, most);
}

uint32_t slab_take(struct slab *s, struct object **ret_end, uint32_t most)
{
	uint32_t n = slab_take_open(s, ret_end, most);

	return n ? n : slab_take_page(s, ret_end, most);
}

struct object *slab_take_one(struct slab *s, bool *ret_zero)
{
	uint64_t touched = s->touched;
	struct object *o;

	if (!slab_take(s, &o + 1, 1))
		return NULL;
	if (IS_WRONG(o->link != (uintptr_t)o))
		slab_report_written(s, o);
	*ret_zero = !(slab_pages(s, slab_index(s, o)) & touched);
	ASSERT(slab_starts_object(s, o) && !slab_has_free(s, o));
	o->link = 0;
	o->key = 0;
	return o;
}

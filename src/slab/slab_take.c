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

/* Marks the free objects that start in a closed page, and what is left over at the slab's end, if
   it starts there (see slab.h); then gives the page its hot word. */
static void open_page(struct slab *s, size_t page)
{
	size_t rest = (size_t)s->capacity * s->size;
	uint32_t end = slab_first_object(s, page + 1);

	ASSERT(page < (size_t)1 << s->order && !slab_is_open(s, page));
	touch(s, slab_page_set(page, 1));
	for (uint32_t i = slab_first_object(s, page); i < end && i < s->capacity; i++)
		if (bit_test(s->free, i))
			slab_set_marks(slab_object(s, i));
	if (page == rest / PAGE_SIZE)
		slab_set_marks((struct object *)(s->base + rest));
	s->open |= slab_page_set(page, 1);
	if (slab_page_is_hot(s, page))
		pagemap_set_hot((void *)(s->base + page * PAGE_SIZE), PAGE_SIZE,
				slab_hot_word(s->class));
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

/* The free object i. Reports one whose mark was overwritten; its first word is checked when the
   object is handed to the program. */
ALWAYS_INLINE struct object *verified(const struct slab *s, uint32_t i)
{
	struct object *o = slab_object(s, i);

	if (IS_WRONG(o->key != slab_mark(o)))
		slab_report_written(s, o);
	return o;
}

static void set_word(struct slab *s, uint32_t w, uint64_t word)
{
	ASSERT(w <= (s->capacity - 1) / 64 && !(word & ~s->free[w])); /* takes only */
	store_relaxed(&s->free[w], word);
	if (!word)
		s->words &= ~((uint64_t)1 << w);
}

static struct object *take_object(struct slab *s, uint32_t i)
{
	uint64_t pages = slab_pages(s, i);

	ASSERT(i < s->capacity && bit_test(s->free, i));
	if (pages & ~s->touched)
		touch(s, pages);
	set_word(s, i / 64, s->free[i / 64] & ~((uint64_t)1 << (i % 64)));
	return verified(s, i);
}

/* Whether all objects of a word of free[] lie in open pages. */
static bool is_word_open(const struct slab *s, uint32_t w)
{
	uint32_t first = 64 * w, last = first + 63 < s->capacity ? first + 63 : s->capacity - 1;
	size_t from = slab_page_of(s, first), to = ((size_t)(last + 1) * s->size - 1) / PAGE_SIZE;

	return !(slab_page_set(from, to - from + 1) & ~s->open);
}

/* Takes up to `most` objects of a word of free[] whose objects all lie in open pages. */
static uint32_t take_word(struct slab *s, uint32_t w, struct object **ret_end, uint32_t most)
{
	const uintptr_t first = (uintptr_t)slab_object(s, 64 * w);
	const uint64_t secret = slab_mark_secret, size = s->size;
	uint64_t word = s->free[w];
	uint32_t n = 0;

	ASSERT(is_word_open(s, w));
	for (; word && n < most; word &= word - 1, n++) {
		struct object *o = (struct object *)(first + lowest_bit(word) * size);

		if (IS_WRONG(o->key != (secret ^ (uintptr_t)o)))
			slab_report_written(s, o);
		*--ret_end = o;
	}
	set_word(s, w, word);
	return n;
}

uint32_t slab_take_open(struct slab *s, struct object **ret_end, uint32_t most)
{
	uint32_t n = 0, i = next_open(s, 0);

	while (n < most && i < s->capacity) {
		if (UNLIKELY(slab_is_hardened)) {
			*(ret_end - ++n) = take_object(s, another(s, i));
			i = next_open(s, 0);
		} else if (is_word_open(s, i / 64)) {
			n += take_word(s, i / 64, ret_end - n, most - n);
			i = next_open(s, i / 64 * 64 + 64);
		} else {
			*(ret_end - ++n) = take_object(s, i);
			i = next_open(s, i + 1);
		}
	}
	store_relaxed(&s->out, s->out + n);
	ASSERT_SLOW(slab_check_bits(s));
	return n;
}

uint32_t slab_take(struct slab *s, struct object **ret_end, uint32_t most)
{
	uint32_t n = slab_take_open(s, ret_end, most), first;

	ASSERT(most);
	if (n)
		return n;
	first = next_free(s, 0);
	if (first == s->capacity || !slab_page_is_allowed(s, slab_page_of(s, first)))
		return 0;
	open_page(s, slab_page_of(s, first));
	return slab_take_open(s, ret_end, most);
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

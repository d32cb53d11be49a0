/* Slabs; see slab.h. */
#include "slab/slab.h"

#include "pages/guard.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "report/report.h"

#include <string.h>

#define OBJECTS_MOST (ORDER_BYTES(4) / GRANULE) /* of a slab */

static_assert(OBJECTS_MOST <= 64 * 64, "words has a bit for each word of free[]");

/* Descriptors with bits for so many objects. */
struct slab_pool {
	struct pool pool;
	uint32_t objects;
};

#define SLAB_POOL(n)                                                                               \
	{                                                                                          \
		{.size = (sizeof(struct slab) + (n) / 8 + CACHE_LINE - 1) &                        \
			 ~(size_t)(CACHE_LINE - 1)},                                               \
			(n)                                                                        \
	}

static struct slab_pool pools[] = {SLAB_POOL(256), SLAB_POOL(1024), SLAB_POOL(OBJECTS_MOST)};

SEALED uint64_t slab_mark_secret;
static bool hardened, guards; /* see slab_harden() */
static uint64_t random;	      /* of hardened slabs; a race costs no more than a repetition */

void slab_start(uint64_t secret)
{
	slab_mark_secret = mix64(~secret);
	random = secret;
}

/* floor(2^64 / size) + 1; 2^64 itself does not fit a word. */
static uint64_t magic_of(size_t size)
{
	return UINT64_MAX / size + (is_power_of_two(size) ? 2 : 1);
}

void slab_geometry(unsigned sc, uint64_t *ret_mask, uint64_t *ret_magic, uint64_t *ret_limit)
{
	size_t size = class_size(sc), nbytes = ORDER_BYTES(class_order(sc));

	*ret_mask = nbytes - 1;
	*ret_magic = magic_of(size);
	*ret_limit = nbytes / size * (*ret_magic * size);
	ASSERT(nbytes / size <= OBJECTS_MOST && *ret_limit / (*ret_magic * size) == nbytes / size);
}

void slab_harden(bool with_guards)
{
	hardened = true;
	guards = with_guards;
}

/* --- made, and given back ------------------------------------------------------------------ */

static size_t guard_bytes(const struct slab *s)
{
	bool has = guards && ORDER_BYTES(s->order) >= s->size + os_page_size();

	return has ? os_page_size() : 0;
}

static void *guard_of(const struct slab *s)
{
	return (char *)s->base + ORDER_BYTES(s->order) - guard_bytes(s);
}

static struct pool *pool_of(uint32_t objects)
{
	struct slab_pool *p = pools;

	while (p->objects < objects)
		p++;
	return &p->pool;
}

static void describe(struct slab *s, unsigned sc, void *block, unsigned order)
{
	s->base = (uintptr_t)block;
	s->class = (uint8_t)sc;
	s->order = (uint8_t)order;
	s->size = (uint32_t)class_size(sc);
	s->capacity = (uint32_t)((ORDER_BYTES(order) - guard_bytes(s)) / s->size);
	s->magic = magic_of(s->size);
	s->limit = s->capacity * (s->magic * s->size);
	ASSERT(s->capacity && s->capacity <= OBJECTS_MOST && order <= class_order(sc));
	ASSERT(is_aligned(s->base, ORDER_BYTES(class_order(sc)))); /* offsets are lower bits */
	memset(s->free, 0xff, s->capacity / 64 * sizeof s->free[0]);
	if (s->capacity % 64)
		s->free[s->capacity / 64] = slab_page_set(0, s->capacity % 64);
	s->words = slab_page_set(0, (s->capacity + 63) / 64);
	s->state = SLAB_CURRENT;
	s->tag.kind = KIND_SLAB;
	s->swept = UINT32_MAX;
}

struct slab *slab_new(struct arena *owner, unsigned sc, unsigned order)
{
	struct pool *pool = pool_of((uint32_t)(ORDER_BYTES(order) / class_size(sc)));
	struct slab *s = pool_alloc(pool);
	void *block;
	bool clean;

	if (!s)
		return NULL;
	block = zone_alloc_pages((size_t)1 << order, class_order(sc), &clean);
	if (!block) {
		pool_free(pool, s);
		return NULL;
	}
	describe(s, sc, block, order);
	s->owner = owner;
	if (!clean)
		s->touched = slab_all_pages(s);
	if (hardened && !clean)
		memset(block, 0, ORDER_BYTES(order));
	if (guard_bytes(s))
		guard_lay(&s->tag, guard_of(s), guard_bytes(s));
	pagemap_set(block, ORDER_BYTES(order), &s->tag);
	ASSERT_SLOW(slab_check(s));
	return s;
}

bool slab_is_ready(unsigned sc)
{
	unsigned order = class_order(sc);

	return pool_is_ready(pool_of((uint32_t)(ORDER_BYTES(order) / class_size(sc)))) &&
	       zone_is_ready(order);
}

void slab_free(struct slab *s)
{
	void *block = (void *)s->base;
	unsigned order = s->order;
	struct pool *pool = pool_of((uint32_t)(ORDER_BYTES(order) / s->size));
	size_t touched = s->touched ? (highest_bit(s->touched) + 1) * PAGE_SIZE : 0;

	ASSERT(!s->out);
	ASSERT_SLOW(slab_check(s));
	if (!guard_lift(&s->tag, guard_of(s), guard_bytes(s)))
		return; /* and it stays a slab without objects */
	retain_add_live((intptr_t)slab_page_bytes(s->purged));
	slab_watch(s);
	pagemap_set(block, ORDER_BYTES(order), NULL);
	pool_free(pool, s);
	zone_free(block, order, touched);
}

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
	random = mix64(random + 1);
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
		if (UNLIKELY(hardened)) {
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

/* Neighbours come together, so a word of free[] is stored only when the next object is of another
   word. What the loop needs is copied first: the compiler would read it again after each store. */
uint32_t slab_give(struct slab *s, struct object *const *objects, uint32_t n,
		   struct object **ret_twice)
{
	const size_t nbytes = ORDER_BYTES(s->order);
	const uintptr_t base = s->base;
	const uint64_t magic = s->magic, secret = slab_mark_secret;
	uint32_t twice = 0, w = slab_index(s, objects[0]) / 64, i;
	uint64_t word = s->free[w];

	ASSERT(n && (uintptr_t)objects[0] - base < nbytes);
	for (i = 0; i < n && (uintptr_t)objects[i] - base < nbytes; i++) {
		struct object *o = objects[i];
		uint32_t at = (uint32_t)((unsigned __int128)((uintptr_t)o - base) * magic >> 64);
		uint64_t bit = (uint64_t)1 << (at % 64);

		if (IS_WRONG(o->key != (secret ^ (uintptr_t)o)))
			slab_report_written(s, o);
		if (at / 64 != w) {
			slab_add_free(s, w, word);
			w = at / 64;
			word = s->free[w];
		}
		if (UNLIKELY(word & bit)) {
			*ret_twice = o;
			twice++;
		}
		word |= bit;
	}
	slab_add_free(s, w, word);
	store_relaxed(&s->out, s->out - (i - twice));
	ASSERT_SLOW(slab_check_bits(s));
	return i;
}

void slab_report_written(const struct slab *s, const struct object *o)
{
	report_corruption(
		"malloc(): write after free",
		(struct report_about){.mem = o, .kind = "free object", .usable = s->size});
}

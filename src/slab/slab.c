/* Slabs; see slab.h. */
#include "slab/slab.h"

#include "os/check.h"
#include "os/os.h"
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
static bool watch_all;
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

/* The set of all pages of the block. */
static uint64_t all_pages(const struct slab *s)
{
	return slab_page_set(0, (size_t)1 << s->order);
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
		s->touched = all_pages(s);
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

/* The hardware pages that a set of pages lies in. */
static uint64_t hardware_pages(uint64_t pages)
{
	unsigned each = (unsigned)(os_page_size() / PAGE_SIZE);
	uint64_t whole = 0;

	ASSERT(is_power_of_two(each) && each <= 64);
	for (; pages; pages &= ~whole)
		whole |= slab_page_set(align_down(lowest_bit(pages), each), each);
	return whole;
}

/* Notes that pages may hold memory from now on. */
static void touch(struct slab *s, uint64_t pages)
{
	uint64_t back;

	s->touched |= pages;
	ASSERT(!(pages & ~all_pages(s)));
	if (LIKELY(!(pages & s->purged)))
		return;
	back = s->purged & hardware_pages(pages);
	s->purged &= ~back;
	retain_add_live((intptr_t)slab_page_bytes(back));
	retain_faults(slab_page_bytes(back));
}

/* The first object that starts at or behind the start of a page. */
static uint32_t first_object(const struct slab *s, size_t page)
{
	return (uint32_t)((page * PAGE_SIZE + s->size - 1) / s->size);
}

static bool is_open(const struct slab *s, size_t page)
{
	return s->open >> page & 1;
}

static size_t page_of(const struct slab *s, uint32_t i)
{
	return (size_t)i * s->size / PAGE_SIZE;
}

/* Marks the free objects that start in a closed page, and what is left over at the slab's end, if
   it starts there (see slab.h); then gives the page its hot word. */
static void open_page(struct slab *s, size_t page)
{
	size_t rest = (size_t)s->capacity * s->size;
	uint32_t end = first_object(s, page + 1);

	ASSERT(page < (size_t)1 << s->order && !is_open(s, page));
	touch(s, slab_page_set(page, 1));
	for (uint32_t i = first_object(s, page); i < end && i < s->capacity; i++)
		if (bit_test(s->free, i))
			slab_set_marks(slab_object(s, i));
	if (page == rest / PAGE_SIZE)
		slab_set_marks((struct object *)(s->base + rest));
	s->open |= slab_page_set(page, 1);
	if (!load_relaxed(&watch_all))
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
		page = page_of(s, i);
		if (is_open(s, page))
			break;
		later = s->open >> page;
		if (!later)
			return s->capacity;
		i = first_object(s, page + lowest_bit(later));
	}
	return i;
}

/* A random free object among those that start in the page of i. */
static COLD uint32_t another(const struct slab *s, uint32_t i)
{
	size_t page = page_of(s, i);
	uint32_t first = first_object(s, page), end = first_object(s, page + 1), other;

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
	size_t from = page_of(s, first), to = ((size_t)(last + 1) * s->size - 1) / PAGE_SIZE;

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

static bool check_bits(const struct slab *s);

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
	ASSERT_SLOW(check_bits(s));
	return n;
}

uint32_t slab_take(struct slab *s, struct object **ret_end, uint32_t most)
{
	uint32_t n = slab_take_open(s, ret_end, most), first;

	ASSERT(most);
	if (n)
		return n;
	first = next_free(s, 0);
	if (first == s->capacity)
		return 0;
	open_page(s, page_of(s, first));
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

/* Stores a word of free[] to which bits were added. */
static void add_free(struct slab *s, uint32_t w, uint64_t word)
{
	ASSERT(w <= (s->capacity - 1) / 64 && !(s->free[w] & ~word)); /* adds only */
	store_relaxed(&s->free[w], word);
	s->words |= (uint64_t)1 << w;
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
			add_free(s, w, word);
			w = at / 64;
			word = s->free[w];
		}
		if (UNLIKELY(word & bit)) {
			*ret_twice = o;
			twice++;
		}
		word |= bit;
	}
	add_free(s, w, word);
	store_relaxed(&s->out, s->out - (i - twice));
	ASSERT_SLOW(check_bits(s));
	return i;
}

void slab_report_written(const struct slab *s, const struct object *o)
{
	report_corruption(
		"malloc(): write after free",
		(struct report_about){.mem = o, .kind = "free object", .usable = s->size});
}

/* --- purging -------------------------------------------------------------------------------- */

/* Whether all objects from first to last are free; a few words of free[]. */
static bool are_free(const struct slab *s, uint32_t first, uint32_t last)
{
	for (uint32_t w = first / 64; w <= last / 64; w++) {
		unsigned from = w == first / 64 ? first % 64 : 0;
		unsigned to = w == last / 64 ? last % 64 : 63;

		if (slab_page_set(from, to - from + 1) & ~s->free[w])
			return false;
	}
	return true;
}

/* Whether an object in use overlaps a page. */
static bool is_busy(const struct slab *s, size_t page)
{
	const char *mem = (const char *)s->base + page * PAGE_SIZE;
	uint32_t first = slab_index(s, mem), last = slab_index(s, mem + PAGE_SIZE - 1);

	return first < s->capacity &&
	       !are_free(s, first, last < s->capacity ? last : s->capacity - 1);
}

/* The touched pages of whole hardware pages without an object in use. */
static uint64_t idle_pages(const struct slab *s)
{
	uint64_t busy = 0;

	for (uint64_t pages = s->touched; pages; pages &= pages - 1)
		if (is_busy(s, lowest_bit(pages)))
			busy |= pages & -pages;
	return s->touched & ~hardware_pages(busy);
}

/* Purges a set of whole hardware pages; returns those that the system took. */
static uint64_t purge_pages(const struct slab *s, uint64_t pages)
{
	uint64_t done = 0;
	unsigned first, n;

	for (; pages; pages &= ~slab_page_set(first, n)) {
		first = lowest_bit(pages);
		n = ~(pages >> first) ? lowest_bit(~(pages >> first)) : 64;
		if (os_purge((char *)s->base + first * PAGE_SIZE, n * PAGE_SIZE))
			done |= slab_page_set(first, n);
	}
	return done;
}

static void close_pages(struct slab *s, uint64_t pages)
{
	ASSERT(!(pages & ~s->open));
	s->open &= ~pages;
	for (; pages; pages &= pages - 1)
		pagemap_set_hot((void *)(s->base + lowest_bit(pages) * PAGE_SIZE), PAGE_SIZE, 0);
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
	if (is_open(s, page_of(s, i)) || bit_test(s->free, i))
		return false;
	add_free(s, i / 64, s->free[i / 64] | (uint64_t)1 << (i % 64));
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
	done = purge_pages(s, hardware_pages(idle_pages(s)));
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

/* --- proofs --------------------------------------------------------------------------------- */

static bool check_object(const struct slab *s, uint32_t i)
{
	const struct object *o = slab_object(s, i);
	bool open = is_open(s, page_of(s, i)), ok = true;

	if (!bit_test(s->free, i)) {
		ok &= expect_eq("S3", open || s->was_closed, true);
		ok &= expect_eq("S3", slab_pages(s, i) & ~s->touched, 0);
	} else if (open) {
		ok &= expect_eq("S2", o->link, (uintptr_t)o);
		ok &= expect_eq("S2", o->key, slab_mark(o));
	}
	return ok;
}

static bool check_bits(const struct slab *s)
{
	uint32_t free = 0;
	bool ok = true;

	for (uint32_t w = 0; 64 * w < s->capacity; w++) {
		free += (uint32_t)__builtin_popcountll(s->free[w]);
		ok &= expect_eq("S1", s->words >> w & 1, s->free[w] != 0);
	}
	return expect_eq("S1", s->out + free, s->capacity) && ok;
}

static bool check_page(const struct slab *s, size_t page)
{
	const char *mem = (const char *)s->base + page * PAGE_SIZE;
	bool hot = is_open(s, page) && !load_relaxed(&watch_all);

	return expect_eq("S4", (uintptr_t)pagemap_get(mem), (uintptr_t)s) &
	       expect_eq("S6", pagemap_hot(mem), hot ? slab_hot_word(s->class) : 0);
}

bool slab_check(const struct slab *s)
{
	bool ok = check_bits(s);

	ok &= expect_eq("S5", s->open & ~s->touched, 0);
	ok &= expect_eq("S5", s->purged & (s->touched | s->open), 0);
	ok &= expect_eq("S5", (s->touched | s->purged) & ~all_pages(s), 0);
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

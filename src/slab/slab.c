/* Slabs; see slab.h. */
#include "slab/slab.h"

#include "pages/guard.h"
#include "pages/metadata.h"
#include "pages/zone.h"
#include "report/report.h"

#include <string.h>

#define OBJECTS_MOST (ORDER_BYTES(4) / GRANULE) /* of a slab */

static_assert(OBJECTS_MOST <= 64 * 64, "words has a bit for each word of free[]");

/* Of descriptors with bits for so many objects at least. */
#define SLAB_POOL(n)                                                                               \
	{                                                                                          \
		.size = (sizeof(struct slab) + (n) / 8 + CACHE_LINE - 1) &                         \
			~(size_t)(CACHE_LINE - 1)                                                  \
	}

static struct pool pools[] = {SLAB_POOL(256), SLAB_POOL(1024), SLAB_POOL(OBJECTS_MOST)};

SEALED uint64_t slab_mark_secret;
bool slab_is_hardened;
static bool guards; /* see slab_harden() */

void slab_start(uint64_t secret)
{
	slab_mark_secret = mix64(~secret);
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
	slab_is_hardened = true;
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
	struct pool *p = pools;

	while (p->size < sizeof(struct slab) + (objects + 63) / 64 * sizeof(uint64_t))
		p++;
	return p;
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
	if (slab_is_hardened && !clean)
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
	retain_restore_live(slab_page_bytes(s->purged));
	slab_clear_hot(s);
	pagemap_set(block, ORDER_BYTES(order), NULL);
	pool_free(pool, s);
	zone_free(block, order, touched);
}

/* A batch is searched for neighbours where its next FEW objects span what FEW neighbours do. */
#define FEW 8

/* How many of n objects, the first of which is object i, are neighbours in order of address: at
   most as many as the slab has in one word of free[]. Reports one whose mark was overwritten. */
static uint32_t count_neighbours(const struct slab *s, uint32_t i, struct object *const *objects,
				 size_t n)
{
	const uint64_t secret = slab_mark_secret, size = s->size;
	const size_t room = smaller(64 - i % 64, s->capacity - i);
	struct object *const *next = objects, *const *end = objects + smaller(n, room);
	uintptr_t o = (uintptr_t)*next;

	do {
		if (IS_WRONG(((struct object *)o)->key != (secret ^ o)))
			slab_report_written(s, (struct object *)o);
		o += size;
	} while (++next < end && (uintptr_t)*next == o);
	return (uint32_t)(next - objects);
}

/* Gives n neighbours, from object i on, that have their bits in one word of free[]: one mask stands
   for all of them. Returns how many were free already. */
static uint32_t give_neighbours(struct slab *s, uint32_t i, uint32_t n, struct object **ret_twice)
{
	const uint32_t w = i / 64;
	const uint64_t given = bits_mask(w, i, i + n), twice = s->free[w] & given;

	slab_add_free(s, w, s->free[w] | given);
	if (LIKELY(!twice))
		return 0;
	*ret_twice = slab_object(s, 64 * w + lowest_bit(twice));
	return bits_count(twice);
}

/* Objects of one word of free[] come together, so it is stored once for all of them. What the loops
   need is copied first: the compiler would read it again after each store. */
uint32_t slab_give_many(struct slab *s, struct object *const *objects, uint32_t n,
			struct object **ret_twice)
{
	const size_t nbytes = ORDER_BYTES(s->order), span = 64 * (size_t)s->size;
	const size_t span_of_few = (FEW - 1) * (size_t)s->size;
	const uintptr_t base = s->base;
	const uint64_t magic = s->magic, secret = slab_mark_secret;
	struct object *const *next = objects, *const *end = objects + n, *o;
	uint32_t twice = 0;

	while (next < end && (uintptr_t)*next - base < nbytes) {
		const uint32_t i = slab_index(s, *next), w = i / 64;
		const uintptr_t first = base + w * span;
		const size_t room = smaller(span, nbytes - w * span);
		uint64_t word, with;

		if (end - next >= FEW &&
		    (uintptr_t)next[FEW - 1] - (uintptr_t)*next == span_of_few) {
			n = count_neighbours(s, i, next, (size_t)(end - next));
			twice += give_neighbours(s, i, n, ret_twice);
			next += n;
			continue;
		}
		for (word = s->free[w]; next < end && (uintptr_t)*next - first < room;
		     next++, word = with) {
			o = *next;
			with = word |
			       (uint64_t)1
				       << (((uintptr_t)o - first) * (unsigned __int128)magic >> 64);
			if (IS_WRONG(o->key != (secret ^ (uintptr_t)o)))
				slab_report_written(s, o);
			if (UNLIKELY(with == word)) {
				*ret_twice = o;
				twice++;
			}
		}
		slab_add_free(s, w, word);
	}
	n = (uint32_t)(next - objects);
	store_relaxed(&s->out, s->out - (n - twice));
	ASSERT_SLOW(slab_check_bits(s));
	return n;
}

void slab_report_written(const struct slab *s, const struct object *o)
{
	report_corruption(
		"malloc(): write after free",
		(struct report_about){.mem = o, .kind = "free object", .usable = s->size});
}

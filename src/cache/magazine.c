/* Magazines; see magazine.h. */
#include "cache/magazine.h"

#include "cache/array.h"
#include "os/os.h"

#include <string.h>

/* After so many fills within a sweep a magazine holds a small part of what went through it, even
   twice as large. */
#define FILLS_OFTEN 8

static_assert(MAGAZINE_BYTES >= CLASS_SIZE_MAX, "each magazine may hold an object");
static_assert(MAGAZINE_MOST + 1 <= ARRAY_MOST, "no_object and all objects fit the largest array");

/* A new magazine holds at most so many objects; and one at least, if it may. */
#define FIRST_OBJECTS 7
#define FIRST_BYTES   512

/* And a large class may have so many, if its magazine is filled. */
#define FEW_OBJECTS ((size_t)4)

static_assert(FEW_OBJECTS * CLASS_SIZE_MAX <= MAGAZINE_BYTES, "with few threads it may anyway");

/* For a magazine that is not filled, those of a cache grow to so small a part of what they may
   otherwise. */
#define UNUSED_SHARE 8

/* Less than so small a part of it is little to grow by. */
#define SHORT_FROM 4

struct object no_object;

static size_t most_bytes = MAGAZINE_BYTES;  /* that a magazine grows to; atomic */
static size_t most_total = MAGAZINES_BYTES; /* that those of a cache grow to; atomic */

void magazine_set_threads(size_t nthreads)
{
	size_t awake = MAGAZINE_AWAKE * os_cpus(), n = larger(nthreads, awake);

	store_relaxed(&most_bytes, MAGAZINE_BYTES * awake / n);
	store_relaxed(&most_total, MAGAZINES_BYTES * awake / n);
}

bool magazine_is_short(size_t total)
{
	return total > load_relaxed(&most_total) / SHORT_FROM * (SHORT_FROM - 1);
}

/* 0: there are so many threads that one object is too much. */
static uint32_t most_capacity(size_t size)
{
	ASSERT(size && size <= CLASS_SIZE_MAX);
	return (uint32_t)smaller(load_relaxed(&most_bytes) / size, MAGAZINE_MOST);
}

static uint32_t least_capacity(size_t size)
{
	size_t n = larger(smaller(FIRST_BYTES / size, FIRST_OBJECTS), 1);

	return (uint32_t)smaller(n, most_capacity(size));
}

/* Bytes that all magazines of a cache grow to for the sake of one that is filled, or not. */
static size_t most_in_all(bool filled)
{
	return load_relaxed(&most_total) / (filled ? 1 : UNUSED_SHARE);
}

static void use_array(struct magazine *m, struct object **array, uint32_t n, uint32_t capacity)
{
	ASSERT(n <= capacity && capacity <= MAGAZINE_MOST);
	array[0] = &no_object;
	m->none = array;
	m->last = array + n;
	m->end = array + capacity;
	m->capacity = (uint16_t)capacity;
}

bool magazine_make(struct magazine *m, unsigned sc, size_t *total)
{
	uint32_t capacity = least_capacity(class_size(sc));
	struct object **array;
	uint64_t magic, limit;

	ASSERT(!magazine_is_ready(m)); /* made once */
	if (*total + capacity * class_size(sc) > most_in_all(false))
		capacity = 0;
	array = array_alloc(capacity + 1);
	if (!array)
		return false;
	m->sc = (uint16_t)sc;
	m->total = total;
	*total += capacity * class_size(sc);
	use_array(m, array, 0, capacity);
	slab_geometry(sc, &m->mask, &magic, &limit);
	store_relaxed(&m->magic, magic); /* others look whether it is ready, for statistics */
	KEEP_ORDER();			 /* now free may look */
	m->limit = limit;
	return true;
}

/* Moves the objects into an array for another capacity. */
static void resize(struct magazine *m, uint32_t capacity)
{
	uint32_t n = magazine_count(m), before = magazine_capacity(m);
	struct object **old = m->none, **array = array_alloc(capacity + 1);

	ASSERT(n <= capacity && !magazine_leaving(m));
	if (!array)
		return;
	memcpy(array, old, (n + 1) * sizeof array[0]);
	ASSERT(old[0] == &no_object); /* below the first object */
	use_array(m, array, n, capacity);
	*m->total += ((size_t)capacity - before) * class_size(m->sc);
	array_free(old, before + 1);
}

/* Whatever the number of threads, one that is filled may have a few objects, if it may have one:
   with two every third call would take the slow path. */
static size_t most_objects(size_t size, bool filled)
{
	size_t most = most_capacity(size);

	return filled && most ? larger(most, FEW_OBJECTS) : most;
}

static void grow(struct magazine *m, size_t most, bool filled)
{
	size_t before = magazine_capacity(m), size = class_size(m->sc);
	size_t capacity = smaller(smaller(2 * before + 1, most), most_objects(size, filled));

	ASSERT(magazine_is_ready(m) && most <= MAGAZINE_MOST);
	if (capacity > before && *m->total + (capacity - before) * size <= most_in_all(filled))
		resize(m, (uint32_t)capacity);
}

static void grow_to_share(struct magazine *m, bool filled)
{
	size_t most = larger(MAGAZINE_SHARED_BYTES / class_size(m->sc), MAGAZINE_SHARED);

	grow(m, smaller(filled ? most : (most + 1) / 2, MAGAZINE_MOST), filled);
}

static bool is_cheap(const struct magazine *m)
{
	return (2 * magazine_capacity(m) + 1) * class_size(m->sc) <= MAGAZINE_CHEAP;
}

void magazine_learn_to_fill(struct magazine *m)
{
	if (m->gave || is_cheap(m))
		grow(m, MAGAZINE_MOST, true);
	else if (m->fills % FILLS_OFTEN == FILLS_OFTEN - 1)
		grow_to_share(m, true);
	m->gave = false;
}

void magazine_set_packing(struct magazine *m, bool packs)
{
	uint64_t mask, magic;

	if (!m->packs && !packs)
		return;
	m->packs = packs ? MAGAZINE_PATIENCE : 0;
	slab_geometry(m->sc, &mask, &magic, &m->limit);
	if (packs)
		m->limit = 0;
}

void magazine_learn_to_pack(struct magazine *m, bool much_is_free)
{
	magazine_set_packing(m, much_is_free && !m->rest);
	if (m->rest)
		m->rest--;
}

void magazine_note_batch(struct magazine *m, bool in_vain)
{
	if (!m->packs)
		return;
	if (!in_vain) {
		m->packs = MAGAZINE_PATIENCE;
	} else if (m->packs > 1) {
		m->packs--;
	} else {
		magazine_set_packing(m, false);
		m->rest = MAGAZINE_REST;
	}
}

void magazine_drop_leaving(struct magazine *m)
{
	m->end = m->none + m->capacity;
}

uint32_t magazine_surplus(const struct magazine *m)
{
	return m->fills && !m->packs ? (magazine_count(m) + 1) / 2 : magazine_count(m);
}

void magazine_learn_to_give(struct magazine *m, bool to_others)
{
	if (is_cheap(m))
		grow(m, MAGAZINE_MOST, m->fills);
	else if (to_others)
		grow_to_share(m, m->fills);
	m->gave = true;
}

void magazine_shrink(struct magazine *m)
{
	uint32_t least = least_capacity(class_size(m->sc)), capacity = magazine_capacity(m) / 2;

	if (capacity >= least && capacity >= magazine_count(m) && capacity < magazine_capacity(m))
		resize(m, capacity);
}

void magazine_drop(struct magazine *m, uint32_t n)
{
	struct object **first = m->none + 1;

	ASSERT(n <= magazine_count(m));
	memmove(first, first + n, (magazine_count(m) - n) * sizeof *first);
	m->last -= n;
}

void magazine_report_written(const struct magazine *m)
{
	slab_report_written((const struct slab *)pagemap_get(*m->last), *m->last);
}

bool magazine_check(const struct magazine *m)
{
	bool ok = expect_eq("M1", (uintptr_t)m->none[0], (uintptr_t)&no_object);

	for (struct object **o = m->none + 1; o <= m->last; o++)
		ok &= slab_check_cached(*o, m->sc, "M1");
	ok &= expect_eq("M1", m->last <= m->end && m->end <= m->none + m->capacity, true);
	for (struct object **o = m->end + 1; o <= m->none + m->capacity; o++)
		ok &= slab_check_cached(*o, m->sc, "M1");
	return ok;
}

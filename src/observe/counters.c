/* Collects the counters; see counters.h. */
#include "observe/counters.h"

#include "arena/ring.h"
#include "base/bits.h"
#include "cache/caches.h"
#include "cache/depot.h"
#include "observe/figures.h"
#include "pages/huge_table.h"
#include "pages/run.h"
#include "pages/zone_regions.h"

const uint8_t counter_kinds[COUNTER_COUNT] = {
#define COUNTER(name, kind, unit, source, field, help) kind,
#include "observe/counter_rows.def"
#undef COUNTER
};

const uint8_t counter_units[COUNTER_COUNT] = {
#define COUNTER(name, kind, unit, source, field, help) unit,
#include "observe/counter_rows.def"
#undef COUNTER
};

const char *counter_lines(void)
{
#define COUNTER(name, kind, unit, source, field, help) #name " " help "\n"
	return
#include "observe/counter_rows.def"
		;
#undef COUNTER
}

enum source { SUM, WORD, ARENA, SLABS, ZONE, HUGE };

static const uint8_t sources[COUNTER_COUNT] = {
#define COUNTER(name, kind, unit, source, field, help) source,
#include "observe/counter_rows.def"
#undef COUNTER
};

/* Adds up the counters of a source whose fields lie in base. Their owners store them plainly. */
static UNSYNCHRONIZED void add_from(struct counters *cs, enum source source, const void *base)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		const char *field = (const char *)base + (counter_fields[i] & 0xffffff);
		uint64_t value;

		if (sources[i] != source)
			continue;
		value = counter_fields[i] >> 24 == sizeof(uint32_t)
				? *(const volatile uint32_t *)field
				: *(const volatile uint64_t *)field;
		cs->of[i] += counter_units[i] == PAGES ? value << PAGE_SHIFT : value;
	}
}

static void add_words(struct counters *cs)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		if (sources[i] == WORD)
			cs->of[i] =
				load_relaxed((const uint64_t *)figures.objects[counter_fields[i]]);
}

/* Objects by class. */
struct objects {
	uint64_t out[CLASSES], cached[CLASSES];
};

static UNSYNCHRONIZED void add_arenas(struct counters *cs, struct objects *objects)
{
	ring_for_each (a) {
		counter(cs, arenas)++;
		add_from(cs, ARENA, a);
		if (!a->slabs)
			continue;
		add_from(cs, SLABS, a->slabs);
		for (unsigned sc = 0; sc < CLASSES; sc++)
			objects->out[sc] += load_relaxed(&a->slabs->out[sc]);
	}
}

/* Its thread may just be changing it: then it counts as empty. */
static UNSYNCHRONIZED size_t in_magazine(const struct magazine *m)
{
	size_t n = (size_t)(m->last - m->none);
	size_t leaving = (size_t)(m->none + m->capacity - m->end);

	return n <= MAGAZINE_MOST && leaving <= MAGAZINE_MOST ? n + leaving : 0;
}

static void add_caches(struct counters *cs, struct objects *objects)
{
	for (const struct cache *c = NULL; (c = cache_next(c));) {
		counter(cs, caches)++;
		for (unsigned sc = 0; sc < CLASSES; sc++)
			if (cache_magazine(c, sc))
				objects->cached[sc] += in_magazine(cache_magazine(c, sc));
	}
	for (unsigned sc = 0; sc < CLASSES; sc++)
		objects->cached[sc] += depot_objects(sc);
}

/* What the program holds of slabs, and what is cached; the bytes that are out of slabs. */
static uint64_t add_objects(struct counters *cs, const struct objects *objects)
{
	uint64_t out_bytes = 0;

	for (unsigned sc = 0; sc < CLASSES; sc++) {
		uint64_t out = objects->out[sc];
		uint64_t cached = smaller(objects->cached[sc], out);

		out_bytes += out * class_size(sc);
		counter(cs, cached_objects) += cached;
		counter(cs, cached_bytes) += cached * class_size(sc);
		counter(cs, slab_objects) += out - cached;
		counter(cs, slab_object_bytes) += (out - cached) * class_size(sc);
	}
	return out_bytes;
}

/* A difference is 0 where figures of two moments contradict each other. */
static void sum_up(struct counters *cs, uint64_t out_bytes)
{
	uint64_t runs_bytes = load_relaxed(&run_pages_now) << PAGE_SHIFT;

	counter(cs, slabs) = minus(counter(cs, slabs_made), counter(cs, slabs_given_back));
	counter(cs, runs) = minus(load_relaxed(&run_now), counter(cs, kept_runs));
	counter(cs, run_bytes) = minus(runs_bytes, counter(cs, kept_run_bytes));
	counter(cs, live_bytes) = counter(cs, chunk_bytes) + counter(cs, slab_object_bytes) +
				  counter(cs, run_bytes) + counter(cs, huge_bytes);
	counter(cs, free_bytes) = minus(counter(cs, heap_bytes), counter(cs, chunk_bytes)) +
				  minus(counter(cs, slab_bytes), out_bytes) +
				  counter(cs, kept_run_bytes) + counter(cs, dirty_block_bytes) +
				  counter(cs, kept_huge_bytes);
}

void counters_collect(struct counters *ret_counters)
{
	struct objects objects = {0};

	*ret_counters = (struct counters){0};
	add_words(ret_counters);
	add_from(ret_counters, ZONE, &zone.sizes);
	add_from(ret_counters, HUGE, &huge_table.sizes);
	add_arenas(ret_counters, &objects);
	add_caches(ret_counters, &objects);
	sum_up(ret_counters, add_objects(ret_counters, &objects));
}

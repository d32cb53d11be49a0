/* At assert_level 2: what is broken in a structure ends the program at one of its next steps. */
#include "arena/ring.h"
#include "cache/cache.h"
#include "cache/depot.h"
#include "os_sim.h"
#include "pages/huge_table.h"
#include "pages/zone_regions.h"
#include "test.h"

#include <loam/loam.h>

enum { SIZE = 64, CHUNK = 20000, RUN = 200000, OBJECTS = 4000, STEPS = 100000 };

static struct object *objects[OBJECTS];

/* Every structure has something in it. */
static void fill(void)
{
	static bool filled;
	void *run = loam_malloc(RUN);

	loam_free(run);
	for (int i = 0; i < OBJECTS && !filled; i++)
		objects[i] = loam_malloc(SIZE);
	filled = true;
	REQUIRE(arena_main.slabs && mine.cache->magazines && arena_main.runs.count);
	REQUIRE(!list_empty(&arena_main.slabs->full));
	EXPECT(loam_check());
}

/* So many steps, of which one is due; of the arena and the cache. */
static void use_chunks(void)
{
	for (int i = 0; i < STEPS; i++)
		loam_free(loam_malloc(CHUNK));
}

static void use_zone(void)
{
	bool clean;

	for (int i = 0; i < STEPS; i++)
		zone_free(zone_alloc(0, &clean), 0, 0);
}

static void use_huge(void)
{
	bool zero = false;

	for (int i = 0; i < STEPS; i++)
		huge_free((struct huge *)pagemap_get(huge_alloc(8 * MIB, GRANULE, &zero)));
}

static void break_heap(void *arg)
{
	(void)arg;
	arena_main.chunks.in_use += CHUNK_ALIGN;
	use_chunks();
}

static void break_bins(void *arg)
{
	(void)arg;
	arena_main.chunks.bins.count++;
	use_chunks();
}

static void break_full_slab(void *arg)
{
	struct slab *s = slabs_of_link(arena_main.slabs->full.next);

	(void)arg;
	s->open &= s->open - 1;
	use_chunks();
}

static void break_slabs(void *arg)
{
	(void)arg;
	arena_main.slabs->count[class_of(SIZE)]++;
	use_chunks();
}

static void break_runs(void *arg)
{
	(void)arg;
	arena_main.runs.run[0]->kept = false;
	use_chunks();
}

static void break_fast_bins(void *arg)
{
	(void)arg;
	mine.cache->magazines->fast[0] = NULL;
	use_chunks();
}

/* What lies in a magazine is written to. */
static void break_magazine(void *arg)
{
	struct magazine *m = cache_magazine(mine.cache, class_of(SIZE));

	(void)arg;
	REQUIRE(magazine_count(m));
	(*m->last)->key = 0;
	use_chunks();
}

static void break_depot(void *arg)
{
	struct object *taken[1];
	unsigned sc = class_of(SIZE);

	(void)arg;
	for (int i = 0; i < 2; i++)
		slab_set_marks(objects[i]);
	REQUIRE(depot_put(sc, objects, 1));
	objects[0]->key = 0;
	for (int i = 0; i < STEPS; i++) {
		REQUIRE(depot_put(sc, objects + 1, 1));
		depot_take(sc, taken, 1);
	}
}

static void break_zone(void *arg)
{
	(void)arg;
	zone.sizes.mapped += PAGE_SIZE;
	use_zone();
}

static void break_page_map(void *arg)
{
	static struct descriptor tag = {.kind = KIND_RUN};
	bool clean;
	char *block = zone_alloc(4, &clean);

	(void)arg;
	zone_free(block, 4, 0);
	pagemap_set(block + ORDER_BYTES(3), PAGE_SIZE, &tag);
	use_zone();
}

static void break_region(void *arg)
{
	bool clean;

	(void)arg;
	(*pagemap_region(zone_alloc(0, &clean)))->free_pages++;
	zone_alloc(0, &clean); /* at the next step of its own */
}

static void break_huge(void *arg)
{
	(void)arg;
	huge_table.sizes.nbytes += PAGE_SIZE;
	use_huge();
}

TEST(every_structure_is_proved_by_its_own_steps)
{
	static const struct {
		void (*body)(void *);
		const char *label;
	} all[] = {
		{break_heap, "H10 does not hold"},     {break_bins, "H5 does not hold"},
		{break_full_slab, "S3 does not hold"}, {break_slabs, "A2 does not hold"},
		{break_runs, "R1 does not hold"},      {break_fast_bins, "C1 does not hold"},
		{break_magazine, "M1 does not hold"},  {break_depot, "D1 does not hold"},
		{break_zone, "Z4 does not hold"},      {break_page_map, "Z5 does not hold"},
		{break_region, "B5 does not hold"},    {break_huge, "G2 does not hold"},
	};

	fill();
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		EXPECT_ABORT(all[i].body, NULL, all[i].label);
	EXPECT(loam_check());
}

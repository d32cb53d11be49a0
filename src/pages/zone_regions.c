/* The table of regions and the sets of blocks over them; see zone_regions.h. */
#include "pages/zone_regions.h"

#include "os/check.h"
#include "pages/metadata.h"
#include "pages/retain.h"

/* Regions by number are in two levels, so that a small table is small: so many parts of so many. */
#define PARTS	       BITSET_MOST
#define SLOTS_PER_PART BITSET_MOST
#define SLOTS	       (PARTS * SLOTS_PER_PART)

struct part {
	struct region *regions[SLOTS_PER_PART]; /* Z1 */
	struct bitset with[STATES][ORDERS];     /* Z3 */
};

/* Of which most programs touch the first: it lies behind the zone. */
static struct part *parts[PARTS];

struct zone zone;

struct region *zone_region(size_t slot)
{
	const struct part *part = parts[slot / SLOTS_PER_PART];

	return part ? part->regions[slot % SLOTS_PER_PART] : NULL;
}

bool zone_has(size_t slot, enum state state, unsigned order)
{
	return bitset_has(&zone.with[state][order], slot / SLOTS_PER_PART) &&
	       bitset_has(&parts[slot / SLOTS_PER_PART]->with[state][order], slot % SLOTS_PER_PART);
}

static void add_with(size_t slot, enum state state, unsigned order)
{
	bitset_add(&parts[slot / SLOTS_PER_PART]->with[state][order], slot % SLOTS_PER_PART);
	bitset_add(&zone.with[state][order], slot / SLOTS_PER_PART);
	store_relaxed(&zone.orders[state], (uint16_t)(zone.orders[state] | 1u << order));
}

static void remove_with(size_t slot, enum state state, unsigned order)
{
	struct bitset *set = &parts[slot / SLOTS_PER_PART]->with[state][order];

	bitset_remove(set, slot % SLOTS_PER_PART);
	if (bitset_lowest(set) != BITSET_MOST)
		return;
	bitset_remove(&zone.with[state][order], slot / SLOTS_PER_PART);
	if (bitset_lowest(&zone.with[state][order]) == BITSET_MOST)
		store_relaxed(&zone.orders[state], (uint16_t)(zone.orders[state] & ~(1u << order)));
}

/* Of the regions with a block of that state and order, of which there must be one, that of the lowest number. */
struct region *zone_lowest(enum state state, unsigned order)
{
	const struct part *part = parts[bitset_lowest(&zone.with[state][order])];

	return part->regions[bitset_lowest(&part->with[state][order])];
}

/* The same of the highest number. */
struct region *zone_highest(enum state state, unsigned order)
{
	const struct part *part = parts[bitset_highest(&zone.with[state][order])];

	return part->regions[bitset_highest(&part->with[state][order])];
}

/* What changed since `before` in one state's orders, brought into the zone's sets. */
void zone_update(struct region *r, enum state state, uint16_t before)
{
	uint16_t changed = before ^ r->orders[state];

	for (; changed; changed &= (uint16_t)(changed - 1)) {
		unsigned order = lowest_bit(changed);

		if (r->orders[state] >> order & 1)
			add_with(r->slot, state, order);
		else
			remove_with(r->slot, state, order);
	}
}

struct zone_change zone_change_begin(struct region *r)
{
	return (struct zone_change){r, {r->orders[DIRTY], r->orders[CLEAN]}, r->free_pages, r->dirty_pages};
}

void zone_change_end(const struct zone_change *before)
{
	struct region *r = before->region;
	size_t dirty = ((size_t)r->dirty_pages - before->dirty_pages) << PAGE_SHIFT;
	size_t all = ((size_t)r->free_pages - before->free_pages) << PAGE_SHIFT;

	for (enum state s = DIRTY; s < STATES; s++)
		zone_update(r, s, before->orders[s]);
	retain_add_with(&zone.sizes.free_dirty, (intptr_t)dirty);
	zone.sizes.free_clean += all - dirty;
	ASSERT_SLOW(region_check(r));
}

bool zone_note_region(struct region *r)
{
	struct part **part;
	size_t slot = 0;

	while (slot < zone.slots && zone_region(slot))
		slot++;
	if (slot == SLOTS)
		return false;
	part = &parts[slot / SLOTS_PER_PART];
	if (!*part)
		*part = metadata_alloc(sizeof **part);
	if (!*part)
		return false;
	r->slot = (unsigned)slot;
	KEEP_ORDER();
	(*part)->regions[slot % SLOTS_PER_PART] = r;
	KEEP_ORDER();
	if (slot >= zone.slots)
		zone.slots = slot + 1;
	return true;
}

void zone_forget_region(struct region *r)
{
	zone.sizes.regions--;
	*pagemap_region(r->base) = NULL;
	KEEP_ORDER();
	parts[r->slot / SLOTS_PER_PART]->regions[r->slot % SLOTS_PER_PART] = NULL;
	KEEP_ORDER();
}

void zone_empty_sets(void)
{
	for (enum state s = DIRTY; s < STATES; s++) {
		store_relaxed(&zone.orders[s], 0);
		for (unsigned o = 0; o < ORDERS; o++) {
			zone.with[s][o] = (struct bitset){0};
			for (size_t i = 0; i < PARTS && parts[i]; i++)
				parts[i]->with[s][o] = (struct bitset){0};
		}
	}
}

void zone_find_slots(void)
{
	while (zone.slots < SLOTS && zone_region(zone.slots))
		zone.slots++;
}

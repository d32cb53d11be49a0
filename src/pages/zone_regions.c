/* The table of regions and the sets of blocks over them; see zone_regions.h. */
#include "pages/zone_regions.h"

#include "os/check.h"
#include "pages/metadata.h"
#include "pages/nodes.h"
#include "pages/retain.h"

#include <string.h>

#define SLOTS (ZONE_PART * ZONE_PART)

/* Regions that one look for a stretch visits. */
#define LOOKS_MOST 16

struct part {
	unsigned node;			      /* of all its regions; constant */
	struct zone_set with[STATES][ORDERS]; /* Z3 */
	struct region *regions[ZONE_PART];    /* Z1 */
};

/* Most programs touch the first one alone. */
static struct part *parts[ZONE_PART];

/* Of nodes after the first: most programs touch none. */
static struct zone_node *nodes[NODES_MOST];

struct zone zone;
struct lock zone_lock = LOCK_INIT(LOCK_ZONE);

struct region *zone_region(size_t slot)
{
	const struct part *part = parts[slot / ZONE_PART];

	ASSERT(slot < SLOTS);
	return part ? part->regions[slot % ZONE_PART] : NULL;
}

struct zone_node *zone_node(unsigned node)
{
	ASSERT(node < NODES_MOST);
	return LIKELY(node == 0) ? &zone.first : nodes[node];
}

/* Orders are bits: the larger number has the larger block. */
struct zone_node *zone_dirtiest(void)
{
	struct zone_node *best = &zone.first;

	for (unsigned i = 1; load_relaxed(&nodes_many) && i < NODES_MOST; i++)
		if (nodes[i] && nodes[i]->orders[DIRTY] > best->orders[DIRTY])
			best = nodes[i];
	return best;
}

/* The lowest number in a set; ZONE_PART of an empty one. */
static size_t lowest(const struct zone_set *set)
{
	return bits_first(set->words, 0, ZONE_PART);
}

/* Only numbers in use are looked at: of most programs one word. */
static bool is_empty(const struct zone_set *set)
{
	size_t most = smaller(zone.slots, ZONE_PART);

	return bits_first(set->words, 0, most) == most;
}

static void add_with(struct zone_node *n, size_t slot, enum state state, unsigned order)
{
	bit_set(parts[slot / ZONE_PART]->with[state][order].words, slot % ZONE_PART);
	bit_set(n->with[state][order].words, slot / ZONE_PART);
	store_relaxed(&n->orders[state], (uint16_t)(n->orders[state] | 1u << order));
}

static void remove_with(struct zone_node *n, size_t slot, enum state state, unsigned order)
{
	struct zone_set *set = &parts[slot / ZONE_PART]->with[state][order];

	bit_clear(set->words, slot % ZONE_PART);
	if (!is_empty(set))
		return;
	bit_clear(n->with[state][order].words, slot / ZONE_PART);
	if (is_empty(&n->with[state][order]))
		store_relaxed(&n->orders[state], (uint16_t)(n->orders[state] & ~(1u << order)));
}

struct region *zone_lowest(const struct zone_node *n, enum state state, unsigned order)
{
	const struct part *part = parts[lowest(&n->with[state][order])];

	ASSERT(n->orders[state] >> order & 1 && part);
	return part->regions[lowest(&part->with[state][order])];
}

struct region *zone_highest(const struct zone_node *n, enum state state, unsigned order)
{
	const struct part *part = parts[bits_last(n->with[state][order].words, 0, ZONE_PART)];

	ASSERT(n->orders[state] >> order & 1 && part);
	return part->regions[bits_last(part->with[state][order].words, 0, ZONE_PART)];
}

/* The lowest number, of at least `from`, in the sets of that order or above; ZONE_PART when there
   is none. */
static size_t next(const struct zone_set with[ORDERS], unsigned order, size_t from)
{
	for (size_t w = from / 64; w < ZONE_PART / 64; w++) {
		uint64_t any = 0;

		for (unsigned o = order; o < ORDERS; o++)
			any |= with[o].words[w];
		any &= bits_mask(w, from, ZONE_PART);
		if (any)
			return w * 64 + lowest_bit(any);
	}
	return ZONE_PART;
}

/* Of the node's regions with a dirty block of that order or above, the first whose number is not
   below `slot`; NULL when there is none. */
static struct region *next_dirty(const struct zone_node *n, unsigned order, size_t slot)
{
	size_t first = slot / ZONE_PART, part = first, number;

	while ((part = next(n->with[DIRTY], order, part)) < ZONE_PART) {
		number =
			next(parts[part]->with[DIRTY], order, part == first ? slot % ZONE_PART : 0);
		if (number < ZONE_PART)
			return parts[part]->regions[number];
		part++;
	}
	return NULL;
}

struct region *zone_find(const struct zone_node *n, unsigned align, struct pages *pages)
{
	unsigned count = pages->count; /* every such stretch has a block of order `least`: */
	unsigned least = align > 1 ? log2_floor(count) : log2_floor(count + 1) - 1;
	struct region *r = next_dirty(n, least, 0), *any = NULL;

	for (unsigned looks = LOOKS_MOST; r && looks--; r = next_dirty(n, least, r->slot + 1)) {
		unsigned page = region_find(r, count, align, DIRTY);

		if (page < REGION_PAGES) {
			pages->first = page;
			return r;
		}
		page = any ? REGION_PAGES : region_find(r, count, align, CLEAN);
		if (page < REGION_PAGES) {
			pages->first = page;
			any = r;
		}
	}
	if (any && n->orders[DIRTY] >> log2_ceil(larger(count, align)) &&
	    !region_dirty(any, *pages))
		return NULL;
	return any;
}

/* Brings into the zone's sets what changed since `before` in one state's orders. */
static void update_sets(const struct region *r, enum state state, uint16_t before)
{
	uint16_t changed = before ^ r->orders[state];
	struct zone_node *n = zone_node(r->node);

	for (; changed; changed &= (uint16_t)(changed - 1)) {
		unsigned order = lowest_bit(changed);

		if (r->orders[state] >> order & 1)
			add_with(n, r->slot, state, order);
		else
			remove_with(n, r->slot, state, order);
	}
}

struct zone_change zone_change_begin(struct region *r)
{
	ASSERT(lock_held(&zone_lock) && r->free_pages <= r->owned_pages);
	return (struct zone_change){
		r, {r->orders[DIRTY], r->orders[CLEAN]}, r->free_pages, r->dirty_pages};
}

static COLD bool check_sets(const struct region *r, size_t slot);

void zone_change_end(const struct zone_change *before)
{
	struct region *r = before->region;
	size_t dirty = ((size_t)r->dirty_pages - before->dirty_pages) << PAGE_SHIFT;
	size_t all = ((size_t)r->free_pages - before->free_pages) << PAGE_SHIFT;

	ASSERT(lock_held(&zone_lock));
	for (enum state s = DIRTY; s < STATES; s++)
		update_sets(r, s, before->orders[s]);
	retain_with(retain_add, &zone.sizes.free_dirty, (intptr_t)dirty);
	zone.sizes.free_clean += all - dirty;
	ASSERT_SLOW(region_check(r) & check_sets(r, r->slot));
}

/* Whether a region of that node may have that number. */
static bool is_free(size_t slot, unsigned node)
{
	const struct part *part = parts[slot / ZONE_PART];

	return !part || (part->node == node && !part->regions[slot % ZONE_PART]);
}

static bool make_part(struct part **part, unsigned node)
{
	struct part *made = metadata_alloc(sizeof *made);

	if (!made)
		return false;
	made->node = node;
	KEEP_ORDER();
	*part = made;
	return true;
}

static struct zone_node *make_node(unsigned node)
{
	return nodes[node] = metadata_alloc(sizeof(struct zone_node));
}

/* A number counts before the region has it: those of other nodes may lie in between. */
bool zone_note_region(struct region *r)
{
	struct zone_node *n = zone_node(r->node);
	struct part **part;
	size_t slot;

	ASSERT(lock_held(&zone_lock));
	if (!n && !(n = make_node(r->node)))
		return false;
	while ((slot = n->free_from) < SLOTS && !is_free(slot, r->node))
		n->free_from++;
	if (slot == SLOTS)
		return false;
	part = &parts[slot / ZONE_PART];
	ASSERT(is_aligned((uintptr_t)r->base, REGION_SIZE) && !*pagemap_region(r->base));
	if (!*part && !make_part(part, r->node))
		return false;
	r->slot = (unsigned)slot;
	if (slot >= zone.slots)
		zone.slots = slot + 1;
	KEEP_ORDER();
	(*part)->regions[slot % ZONE_PART] = r;
	KEEP_ORDER();
	return true;
}

void zone_forget_region(struct region *r)
{
	ASSERT(lock_held(&zone_lock));
	ASSERT(!r->owned_pages && !r->free_pages && zone_region(r->slot) == r);
	ASSERT(zone.sizes.regions && *pagemap_region(r->base) == r); /* Z2 */
	zone.sizes.regions--;
	*pagemap_region(r->base) = NULL;
	zone_node(r->node)->free_from = smaller(zone_node(r->node)->free_from, r->slot);
	KEEP_ORDER();
	parts[r->slot / ZONE_PART]->regions[r->slot % ZONE_PART] = NULL;
	KEEP_ORDER();
}

/* Stretches of pages that begin in the region. */
static COLD size_t stretches_of(const struct region *r)
{
	const struct region *below =
		pagemap_has_region(r->base - 1) ? *pagemap_region(r->base - 1) : NULL;
	bool owned = below && bit_test(below->owned, REGION_PAGES - 1), is;
	size_t n = 0;

	for (unsigned page = 0; page < REGION_PAGES; page++, owned = is) {
		is = bit_test(r->owned, page);
		n += is && !owned;
	}
	return n;
}

/* The zone's sizes, of which those that Z4 is of are summed up anew. */
static COLD struct zone_sizes sum_up(void)
{
	struct zone_sizes s = zone.sizes;

	s.regions = s.mapped = s.stretches = s.steps = s.free_dirty = s.free_clean = 0;
	for (size_t slot = 0; slot < zone.slots; slot++) {
		const struct region *r = zone_region(slot);

		if (!r)
			continue;
		s.regions++;
		s.mapped += (size_t)r->owned_pages << PAGE_SHIFT;
		s.stretches += stretches_of(r);
		s.steps += r->steps;
		s.free_dirty += (size_t)r->dirty_pages << PAGE_SHIFT;
		s.free_clean += (size_t)(r->free_pages - r->dirty_pages) << PAGE_SHIFT;
	}
	return s;
}

static COLD void recover_region(struct region *r)
{
	*pagemap_region(r->base) = r;
	region_rebuild(r);
	for (enum state s = DIRTY; s < STATES; s++)
		update_sets(r, s, 0);
}

static size_t used(const struct zone_sizes *s)
{
	return s->mapped - s->free_dirty - s->free_clean;
}

void zone_recover(void)
{
	struct zone_sizes before = zone.sizes;

	for (unsigned i = 0; i < NODES_MOST; i++)
		if (zone_node(i))
			memset(zone_node(i), 0, sizeof *zone_node(i));
	for (size_t i = 0; i < ZONE_PART && parts[i]; i++)
		memset(parts[i]->with, 0, sizeof parts[i]->with);
	for (size_t slot = 0; slot < zone.slots; slot++)
		if (zone_region(slot))
			recover_region(zone_region(slot));
	zone.sizes = sum_up();
	retain_add_live((intptr_t)(used(&zone.sizes) - used(&before)));
	retain_add((intptr_t)(zone.sizes.free_dirty - before.free_dirty));
}

/* Of a page in use; other threads may change its tag meanwhile. */
static UNSYNCHRONIZED bool check_tag(const char *mem)
{
	const struct descriptor *tag = pagemap_get(mem);
	unsigned kind = tag ? tag->kind : KIND_METADATA;
	uint16_t hot = pagemap_hot(mem);

	if (pagemap_get(mem) != tag)
		return true;
	return expect_eq("P1", kind > KIND_NONE && kind < KINDS, true) &
	       expect_eq("P2", tag && hot && kind != KIND_SLAB, false);
}

static COLD bool check_pages(const struct region *r)
{
	bool ok = true;

	for (unsigned page = 0; page < REGION_PAGES; page++) {
		const char *mem = region_page_at(r, page);

		if (region_page_free(r, page))
			ok &= expect_eq("Z5", (uintptr_t)pagemap_get(mem), 0) &
			      expect_eq("P2", pagemap_hot(mem), 0);
		else
			ok &= check_tag(mem);
	}
	return ok;
}

static COLD bool check_sets(const struct region *r, size_t slot)
{
	const struct zone_node *n = zone_node(r->node);
	size_t part = slot / ZONE_PART;
	bool ok = expect_eq("Z6", parts[part]->node, r->node);

	for (enum state s = DIRTY; s < STATES; s++)
		for (unsigned order = 0; order < ORDERS; order++)
			ok &= expect_eq("Z3", r->orders[s] >> order & 1,
					bit_test(n->with[s][order].words, part) &&
						bit_test(parts[part]->with[s][order].words,
							 slot % ZONE_PART));
	return ok;
}

bool zone_check(void)
{
	struct zone_sizes sums;
	bool ok = true;

	lock_acquire(&zone_lock);
	for (size_t slot = 0; slot < zone.slots; slot++) {
		struct region *r = zone_region(slot);

		if (!r)
			continue;
		ok &= expect_eq("Z1", r->slot, slot);
		ok &= expect_eq("Z2", (uintptr_t)*pagemap_region(r->base), (uintptr_t)r);
		ok &= region_check(r) & check_sets(r, slot) & check_pages(r);
	}
	sums = sum_up();
	ok &= expect_eq("Z4", sums.free_dirty, zone.sizes.free_dirty);
	ok &= expect_eq("Z4", sums.free_clean, zone.sizes.free_clean);
	ok &= expect_eq("Z4", sums.mapped, zone.sizes.mapped);
	ok &= expect_eq("Z4", sums.regions, zone.sizes.regions);
	ok &= expect_eq("Z4", sums.stretches, zone.sizes.stretches);
	ok &= expect_eq("Z4", sums.steps, zone.sizes.steps);
	lock_release(&zone_lock);
	return ok;
}

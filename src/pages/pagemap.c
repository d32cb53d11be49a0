/* The page map's writers; see pagemap.h. */
#include "pages/pagemap.h"

#include "base/bits.h"
#include "os/check.h"
#include "os/os.h"

ALIGNED(PAGE_SIZE) struct pagemap pagemap; /* so that leaves have no more pages than they need */

static_assert(offsetof(struct pagemap, none) == 0, "distances are from the empty leaf");
static_assert(sizeof(intptr_t) == 8 && sizeof(void *) == 8, "places are counted in bytes");
static_assert(ADDRESS_BITS <= 31 + LEAF_UNIT_SHIFT, "a distance has room for any two addresses");
static_assert(LEAF_TABLES * TABLE_TAGS == LEAF_PAGES, "a leaf's tables have a tag a page");
static_assert(sizeof(struct table) % PAGE_SIZE == 0, "tables that are mapped at once lie in a row");
static_assert(LEAF_SHIFT > REGION_SHIFT && TABLE_SHIFT > REGION_SHIFT, "a region has one of each");

static void unmap(char *from, const char *to)
{
	if (from < to)
		os_unmap(from, (size_t)(to - from));
}

/* --- leaves -------------------------------------------------------------------------------- */

/* Memory for a leaf, a whole number of units from the empty one, and nothing mapped around it but
   what its pages have; NULL when the system refuses. */
static char *map_leaf(void)
{
	size_t page = os_page_size(), nbytes = align_up(sizeof(struct leaf), page) + LEAF_UNIT;
	char *mem = os_map(nbytes, OS_METADATA), *leaf;

	if (!mem)
		return NULL;
	leaf = mem + (((uintptr_t)&pagemap.none - (uintptr_t)mem) & (LEAF_UNIT - 1));
	ASSERT(is_aligned((uintptr_t)leaf - (uintptr_t)&pagemap.none, LEAF_UNIT));
	unmap(mem, (char *)align_down((uintptr_t)leaf, page));
	unmap((char *)align_up((uintptr_t)leaf + sizeof(struct leaf), page), mem + nbytes);
	return leaf;
}

static void unmap_leaf(char *leaf)
{
	size_t page = os_page_size();

	unmap((char *)align_down((uintptr_t)leaf, page),
	      (char *)align_up((uintptr_t)leaf + sizeof(struct leaf), page));
}

static int32_t *root_of(uintptr_t address)
{
	return &pagemap.root[address >> LEAF_SHIFT & (ROOT_LEAVES - 1)];
}

/* Two threads may map the same leaf at once; the first to note it wins. */
static void add_leaf(uintptr_t address, char *leaf)
{
	int32_t none = 0, distance = (int32_t)((leaf - (char *)&pagemap) >> LEAF_UNIT_SHIFT);

	store_relaxed(&((struct leaf *)leaf)->number, address >> LEAF_SHIFT);
	ASSERT(distance && ((intptr_t)distance << LEAF_UNIT_SHIFT) == leaf - (char *)&pagemap);
	if (!__atomic_compare_exchange_n(root_of(address), &none, distance, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		unmap_leaf(leaf);
}

/* The leaf of an address, mapped if there was none; NULL when it is refused, or that of others. */
static struct leaf *reserve_leaf(uintptr_t address)
{
	struct leaf *found;

	if (address >> ADDRESS_BITS)
		return NULL;
	if (!load_acquire(root_of(address))) {
		char *leaf = map_leaf();

		if (!leaf)
			return NULL;
		add_leaf(address, leaf);
	}
	found = pagemap_leaf(&pagemap, address);
	return found->number == address >> LEAF_SHIFT ? found : NULL;
}

/* --- tables -------------------------------------------------------------------------------- */

/* What a table takes of a mapping of several. */
static size_t table_bytes(void)
{
	return align_up(sizeof(struct table), os_page_size());
}

static bool has_table(const struct leaf *leaf, size_t i)
{
	return load_acquire(&leaf->tables[i]) != 0;
}

static void add_table(struct leaf *leaf, size_t i, char *table)
{
	intptr_t none = 0, distance = table - (char *)&pagemap.no_tags;

	ASSERT(distance && leaf != &pagemap.none);
	if (!__atomic_compare_exchange_n(&leaf->tables[i], &none, distance, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		os_unmap(table, table_bytes());
}

/* The tables first to last of a leaf; those missing that follow each other are mapped at once. */
static bool reserve_tables(struct leaf *leaf, size_t first, size_t last)
{
	for (size_t i = first, n; i <= last; i += n ? n : 1) {
		char *tables;

		for (n = 0; i + n <= last && !has_table(leaf, i + n); n++)
			;
		tables = n ? os_map(n * table_bytes(), OS_METADATA) : NULL;
		if (n && !tables)
			return false;
		for (size_t k = 0; k < n; k++)
			add_table(leaf, i + k, tables + k * table_bytes());
	}
	return true;
}

static size_t table_of(uintptr_t address)
{
	return address >> TABLE_SHIFT & (LEAF_TABLES - 1);
}

/* --- both ---------------------------------------------------------------------------------- */

bool pagemap_reserve(const void *mem, size_t nbytes)
{
	uintptr_t from = (uintptr_t)mem, last = from + nbytes - 1, end;

	ASSERT(nbytes && from <= last);
	for (; from <= last; from = end + 1) {
		struct leaf *leaf = reserve_leaf(from);

		end = from | (((uintptr_t)1 << LEAF_SHIFT) - 1);
		if (!leaf)
			return false;
		if (!reserve_tables(leaf, table_of(from), table_of(end < last ? end : last)))
			return false;
	}
	return true;
}

bool pagemap_is_others(uintptr_t address)
{
	const struct leaf *leaf = pagemap_leaf(&pagemap, address);

	return leaf != &pagemap.none && leaf->number != address >> LEAF_SHIFT &&
	       !(address >> ADDRESS_BITS);
}

bool pagemap_map_spare(struct pagemap_spare *ret_spare)
{
	ret_spare->leaf = map_leaf();
	if (!ret_spare->leaf)
		return false;
	ret_spare->table = os_map(table_bytes(), OS_METADATA);
	if (!ret_spare->table)
		unmap_leaf(ret_spare->leaf);
	return ret_spare->table != NULL;
}

bool pagemap_reserve_page(const void *mem, const struct pagemap_spare *spare)
{
	uintptr_t address = (uintptr_t)mem;
	struct leaf *leaf = NULL;

	if (mem) {
		add_leaf(address, spare->leaf);
		leaf = reserve_leaf(address);
	} else {
		unmap_leaf(spare->leaf);
	}
	if (leaf)
		add_table(leaf, table_of(address), spare->table);
	else
		os_unmap(spare->table, table_bytes());
	return leaf != NULL;
}

void pagemap_set(const void *mem, size_t nbytes, struct descriptor *tag)
{
	uintptr_t address = (uintptr_t)mem;

	ASSERT(is_aligned(address, PAGE_SIZE));
	ASSERT(nbytes && is_aligned(nbytes, PAGE_SIZE));
	ASSERT(!tag || (tag->kind > KIND_NONE && tag->kind < KINDS)); /* P1 */
	for (uintptr_t end = address + nbytes; address < end;) {
		struct leaf *leaf = pagemap_leaf(&pagemap, address);
		struct descriptor **place = pagemap_tag(&pagemap, leaf, address);

		ASSERT(place < pagemap.no_tags.tags || place >= pagemap.no_tags.tags + TABLE_TAGS);
		do { /* up to the end of the table */
			store_relaxed(place++, tag);
			address += PAGE_SIZE;
		} while (address < end && !is_aligned(address, (size_t)1 << TABLE_SHIFT));
	}
}

void pagemap_set_hot(const void *mem, size_t nbytes, uint16_t word)
{
	uintptr_t address = (uintptr_t)mem;

	ASSERT(is_aligned(address, PAGE_SIZE) && is_aligned(nbytes, PAGE_SIZE));
	ASSERT(pagemap_leaf(&pagemap, address) != &pagemap.none);
	ASSERT(!word || (pagemap_get(mem) && pagemap_get(mem)->kind == KIND_SLAB)); /* P2 */
	for (uintptr_t end = address + nbytes; address < end; address += PAGE_SIZE)
		store_relaxed(&pagemap_leaf(&pagemap, address)->hot[pagemap_index(address)], word);
}

struct region **pagemap_region(const void *mem)
{
	uintptr_t address = (uintptr_t)mem;
	struct leaf *leaf = pagemap_leaf(&pagemap, address);

	ASSERT(leaf != &pagemap.none);
	return &leaf->regions[address >> REGION_SHIFT & (LEAF_REGIONS - 1)];
}

bool pagemap_has_region(const void *mem)
{
	uintptr_t address = (uintptr_t)mem;
	const struct leaf *leaf = pagemap_leaf(&pagemap, address);

	return load_relaxed(&leaf->number) == address >> LEAF_SHIFT &&
	       load_relaxed(&leaf->regions[address >> REGION_SHIFT & (LEAF_REGIONS - 1)]);
}

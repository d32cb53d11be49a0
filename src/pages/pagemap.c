/* The page map's writers; see pagemap.h. */
#include "pages/pagemap.h"

#include "base/bits.h"
#include "os/check.h"
#include "os/os.h"

struct pagemap pagemap;

static_assert(offsetof(struct pagemap, none) == 0, "distances are from the empty leaf");
static_assert(ROOT_LEAVES << LEAF_SHIFT == (size_t)1 << ADDRESS_BITS, "the root covers user space");
static_assert(ADDRESS_BITS <= 31 + LEAF_UNIT_SHIFT, "a distance has room for any two addresses");

static void unmap(char *from, const char *to)
{
	if (from < to)
		os_unmap(from, (size_t)(to - from));
}

/* A whole number of units from the empty one, and nothing is mapped around it but what its pages
   have. */
void *pagemap_spare(void)
{
	size_t page = os_page_size(), nbytes = align_up(sizeof(struct leaf), page) + LEAF_UNIT;
	char *mem = os_map(nbytes, OS_METADATA), *leaf;

	if (!mem)
		return NULL;
	leaf = mem + (((uintptr_t)&pagemap.none - (uintptr_t)mem) & (LEAF_UNIT - 1));
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

/* Two threads may map the same leaf at once; the first to note it wins. */
static void add_leaf(size_t i, char *leaf)
{
	int32_t none = 0;

	if (!__atomic_compare_exchange_n(&pagemap.root[i], &none,
					 (int32_t)((leaf - (char *)&pagemap) >> LEAF_UNIT_SHIFT), false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		unmap_leaf(leaf);
}

void pagemap_reserve_page(const void *mem, void *spare)
{
	ASSERT((uintptr_t)mem >> ADDRESS_BITS == 0);
	if (mem)
		add_leaf((uintptr_t)mem >> LEAF_SHIFT, spare);
	else
		unmap_leaf(spare);
}

bool pagemap_reserve(const void *mem, size_t nbytes)
{
	size_t first = (uintptr_t)mem >> LEAF_SHIFT, last = ((uintptr_t)mem + nbytes - 1) >> LEAF_SHIFT;

	if (last >= ROOT_LEAVES)
		return false;
	for (size_t i = first; i <= last; i++) {
		char *leaf;

		if (load_acquire(&pagemap.root[i]))
			continue;
		leaf = pagemap_spare();
		if (!leaf)
			return false;
		add_leaf(i, leaf);
	}
	return true;
}

void pagemap_set(const void *mem, size_t nbytes, struct descriptor *tag)
{
	uintptr_t address = (uintptr_t)mem;

	ASSERT(is_aligned(address, PAGE_SIZE));
	for (uintptr_t end = address + nbytes; address < end; address += PAGE_SIZE) {
		struct leaf *leaf = pagemap_leaf(&pagemap, address);

		ASSERT(leaf != &pagemap.none);
		store_relaxed(&leaf->tags[pagemap_index(address)], tag);
	}
}

void pagemap_set_hot(const void *mem, size_t nbytes, uint16_t word)
{
	uintptr_t address = (uintptr_t)mem;

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

	return !(address >> ADDRESS_BITS) && pagemap_leaf(&pagemap, address) != &pagemap.none &&
	       load_relaxed(pagemap_region(mem));
}

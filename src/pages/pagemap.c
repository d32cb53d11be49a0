/* The page map's writers; see pagemap.h. */
#include "pages/pagemap.h"

#include "base/bits.h"
#include "base/check.h"
#include "os/os.h"

struct pagemap pagemap;

static_assert(offsetof(struct pagemap, none) == 0, "distances are from the empty leaf");
static_assert(ROOT_LEAVES << LEAF_SHIFT == (size_t)1 << ADDRESS_BITS, "the root covers user space");

/* Two threads may map the same leaf at once; the first to note it wins. */
static bool add_leaf(size_t i)
{
	size_t nbytes = align_up(sizeof(struct leaf), os_page_size());
	struct leaf *leaf = os_map(nbytes, OS_METADATA);
	intptr_t none = 0;

	if (!leaf)
		return false;
	if (!__atomic_compare_exchange_n(&pagemap.root[i], &none, (char *)leaf - (char *)&pagemap,
					 false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		os_unmap(leaf, nbytes);
	return true;
}

bool pagemap_reserve(const void *mem, size_t nbytes)
{
	size_t first = (uintptr_t)mem >> LEAF_SHIFT, last = ((uintptr_t)mem + nbytes - 1) >> LEAF_SHIFT;

	if (last >= ROOT_LEAVES)
		return false;
	for (size_t i = first; i <= last; i++)
		if (!load_acquire(&pagemap.root[i]) && !add_leaf(i))
			return false;
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

/*
 * The page map: who owns an address.
 *
 *	address   [ bits 63..44 | root index: 43..28 | page in the leaf: 27..12 | offset in page ]
 *
 *	root      2^16 distances of leaves in .bss; bits 63..44 are not looked at
 *	leaf      256 MiB of addresses: 2^16 hot words, 2^6 regions, 2^4 distances of tables
 *	table     16 MiB of addresses: 2^12 tags; leaves and tables are mapped on demand
 *	tag       the descriptor of what the page belongs to, or NULL
 *	hot word  16 bits that say all that the hot free needs to know of a page of a slab
 *	          (slab/slab.h); 0: nothing may be freed fast
 *
 * A leaf is named by its distance from an empty leaf that lies before the root, a table by that
 * from an empty table, so that zeroes are a whole map and a look-up has no case for "no leaf".
 * Distances of leaves are in units of LEAF_UNIT, so that four bytes are enough.
 *
 * What the map takes of the addresses, touched or not, counts under `ulimit -v` and for mlockall().
 * So it is small: tags, not read by the fast path, are one level further, and addresses that
 * lie a multiple of 16 TiB apart share a leaf.  The system gives a process addresses in two or
 * three places, of which no two do, unless the program itself reserves that much.  Of two areas
 * that do, pagemap_reserve() refuses the second, and pages/place.h finds memory elsewhere.  An
 * address that was never loam's can thus be taken for loam's only where a program has reserved
 * terabytes, behind these, or in a part of the address space where the system puts nothing by
 * itself.
 *
 * All memory of loam is tagged, so a pointer that is not loam's is known before it is touched; of a
 * huge object only the first page.  Tags are written before any address in a block is handed out,
 * and cleared before it is free in a zone (Z5).
 *
 * Invariants, proved by zone_check() for the pages of regions:
 *	P1  a tag other than NULL is a descriptor in use;
 *	P2  a hot word is 0 when the page's tag is not a slab's.
 *
 * Locking: none for readers, since a tag is read and written whole.  Writers hold
 * whatever makes the pages theirs; a leaf or a table is added by a compare-exchange.
 */
#pragma once

#include "base/compiler.h"
#include "config.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE  ((size_t)1 << PAGE_SHIFT)

#define REGION_SHIFT 22
#define REGION_SIZE  ((size_t)1 << REGION_SHIFT)

#define LEAF_SHIFT   28
#define LEAF_PAGES   ((size_t)1 << (LEAF_SHIFT - PAGE_SHIFT))
#define LEAF_REGIONS ((size_t)1 << (LEAF_SHIFT - REGION_SHIFT))

#define TABLE_SHIFT 24
#define TABLE_TAGS  ((size_t)1 << (TABLE_SHIFT - PAGE_SHIFT))
#define LEAF_TABLES ((size_t)1 << (LEAF_SHIFT - TABLE_SHIFT))

#define ADDRESS_BITS CONFIG_ADDRESS_BITS

/* Every leaf lies a multiple of this from the empty one: so that a distance has 32 bits. */
#define LEAF_UNIT_SHIFT (ADDRESS_BITS - 31)
#define LEAF_UNIT	((size_t)1 << LEAF_UNIT_SHIFT)

#define ROOT_BITS   44 /* of an address, find its leaf */
#define ROOT_LEAVES ((size_t)1 << (ROOT_BITS - LEAF_SHIFT))

struct region;

enum kind {
	KIND_NONE,
	KIND_SLAB,     /* struct slab */
	KIND_HEAP,     /* struct heap: a piece of an arena that chunks are cut from */
	KIND_RUN,      /* struct run */
	KIND_HUGE,     /* struct huge */
	KIND_EARLY,    /* memory handed out before loam was relocated */
	KIND_METADATA, /* loam's own */
	KIND_SAMPLED,  /* struct slot: an object with pages of its own (harden/sampled.h) */
	KINDS,
};

/* What every descriptor starts with. */
struct descriptor {
	uint8_t kind; /* enum kind; constant while any page is tagged with it */
	bool guarded; /* its last page is unreadable (pages/guard.h); the holder's */
};

struct table {
	struct descriptor *tags[TABLE_TAGS];
};

struct leaf {
	uint16_t hot[LEAF_PAGES];
	intptr_t tables[LEAF_TABLES];	      /* distances in bytes from the empty one; 0: none */
	struct region *regions[LEAF_REGIONS]; /* written under the zone's lock */
	uintptr_t number;		      /* its addresses' bits from LEAF_SHIFT on; constant */
};

struct pagemap {
	struct leaf none;	   /* all zeroes, for ever */
	struct table no_tags;	   /* the same */
	int32_t root[ROOT_LEAVES]; /* distance of the leaf from none, in units; 0: no leaf */
};

extern HIDDEN struct pagemap pagemap;

/* The leaf for an address, perhaps the empty one.  Any bit pattern may be asked for;
   it is answered as its lower ROOT_BITS would be. */
ALWAYS_INLINE struct leaf *pagemap_leaf(struct pagemap *map, uintptr_t address)
{
	/* in bytes: less work */
	size_t index = address >> (LEAF_SHIFT - 2) & (ROOT_LEAVES - 1) << 2;
	intptr_t units = load_relaxed((const int32_t *)((const char *)map->root + index));
	char *leaf = (char *)map + (units << LEAF_UNIT_SHIFT);

	IN_REGISTER(leaf);
	return (struct leaf *)leaf;
}

/* The number of an address's page in its leaf. */
static inline size_t pagemap_index(uintptr_t address)
{
	return address >> PAGE_SHIFT & (LEAF_PAGES - 1);
}

/* Where the tag of an address is in its leaf, perhaps in the empty table.  In bytes, and with the
   table's address in a register: less work. */
ALWAYS_INLINE struct descriptor **pagemap_tag(struct pagemap *map, const struct leaf *leaf,
					      uintptr_t address)
{
	size_t table_at = address >> (TABLE_SHIFT - 3) & (LEAF_TABLES - 1) << 3;
	size_t tag_at = address >> (PAGE_SHIFT - 3) & (TABLE_TAGS - 1) << 3;
	char *table = (char *)map;

	table += load_relaxed((const intptr_t *)((const char *)leaf->tables + table_at));
	IN_REGISTER(table);
	return (struct descriptor **)(table + offsetof(struct pagemap, no_tags) + tag_at);
}

/* The descriptor of the page that p lies in, or NULL. */
ALWAYS_INLINE struct descriptor *pagemap_get(const void *p)
{
	struct pagemap *map = &pagemap;

	IN_REGISTER(map);
	return load_relaxed(pagemap_tag(map, pagemap_leaf(map, (uintptr_t)p), (uintptr_t)p));
}

/* The hot word of the page that p lies in. */
ALWAYS_INLINE uint16_t pagemap_hot(const void *p)
{
	uintptr_t address = (uintptr_t)p;
	struct pagemap *map = &pagemap;

	IN_REGISTER(map);
	return load_relaxed(&pagemap_leaf(map, address)->hot[pagemap_index(address)]);
}

/* The hot word of p's page; if it is not 0, *ret_tag is the tag, a slab's. */
ALWAYS_INLINE uint16_t pagemap_hot_and_tag(const void *p, struct descriptor **ret_tag)
{
	uintptr_t address = (uintptr_t)p;
	struct pagemap *map = &pagemap;
	struct leaf *leaf;
	uint16_t hot;

	IN_REGISTER(map);
	leaf = pagemap_leaf(map, address);
	hot = load_relaxed(&leaf->hot[pagemap_index(address)]);
	if (LIKELY(hot))
		*ret_tag = load_relaxed(pagemap_tag(map, leaf, address));
	return hot;
}

/* Makes sure that [mem, mem + nbytes) can be tagged; false when the system refuses memory for that,
   or other addresses have its leaf. */
bool pagemap_reserve(const void *mem, size_t nbytes);

/* Whether an address has the leaf of others. */
COLD bool pagemap_is_others(uintptr_t address);

/*
 * For memory whose address is not known before it is there: a leaf and a table are mapped in
 * advance, and then serve for the page at mem as far as that needs them, or go back (mem NULL).
 */
struct pagemap_spare {
	char *leaf, *table;
};

/* False, with nothing mapped, when the system refuses. */
COLD bool pagemap_map_spare(struct pagemap_spare *ret_spare);

/* False, with all of it unmapped, where mem is NULL or other addresses have its leaf. */
COLD bool pagemap_reserve_page(const void *mem, const struct pagemap_spare *spare);

/* Tags the pages of [mem, mem + nbytes), which must be reserved; NULL clears. */
void pagemap_set(const void *mem, size_t nbytes, struct descriptor *tag);

/* Gives the pages of [mem, mem + nbytes), which must be reserved, that hot word. */
void pagemap_set_hot(const void *mem, size_t nbytes, uint16_t word);

/* Where the region around an address is noted; the range must be reserved. */
struct region **pagemap_region(const void *mem);

/* Whether a region is noted around an address, of any bit pattern. */
bool pagemap_has_region(const void *mem);

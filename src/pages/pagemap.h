/*
 * The page map: who owns an address.  Two levels, as a processor's page table.
 *
 *	address   [ root index: bits 46..28 | leaf index: bits 27..12 | offset in page ]
 *
 *	root      2^19 distances in .bss: 2 MiB of addresses, a page or two touched; where user space has
 *	          48 bits (aarch64), 2^20
 *	leaf      256 MiB of addresses: 2^16 tags and hot words and 2^6 regions, mapped on demand
 *	tag       the descriptor of what the page belongs to, or NULL
 *	hot word  16 bits that say all that the hot free needs to know of a page of a slab
 *	          (slab/slab.h); 0: nothing may be freed fast
 *
 * A leaf is named by its distance from an empty leaf that lies before the root, so that a root of
 * zeroes is whole and a look-up has no case for "no leaf"; in units of LEAF_UNIT, so that four
 * bytes are enough, since addresses count under `ulimit -v` and for mlockall().  (A flat table
 * would be one load shorter, and need a reservation of 256 GiB, which valgrind and `ulimit -v`
 * refuse.)
 *
 * All memory of loam is tagged, so a pointer that is not loam's is known before it is touched; of a
 * huge object only the first page.  Tags are written before any address in a block is handed out,
 * and cleared before it is free in a zone (Z5).
 *
 * Invariants, proved by zone_check() for the pages of regions:
 *	P1  a tag other than NULL is a descriptor in use;
 *	P2  a hot word is 0 when the page's tag is not a slab's.
 *
 * Locking: none for readers, since a tag is read and written whole.  Writers hold whatever makes
 * the pages theirs; a leaf is added by a compare-exchange.
 */
#pragma once

#include "base/compiler.h"
#include "config.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE  ((size_t)1 << PAGE_SHIFT)

#define REGION_SHIFT 22
#define REGION_SIZE  ((size_t)1 << REGION_SHIFT)

#define LEAF_SHIFT   28
#define LEAF_TAGS    ((size_t)1 << (LEAF_SHIFT - PAGE_SHIFT))
#define LEAF_REGIONS ((size_t)1 << (LEAF_SHIFT - REGION_SHIFT))

#define ADDRESS_BITS CONFIG_ADDRESS_BITS

/* Every leaf lies a multiple of this from the empty one: so that a distance has 32 bits. */
#define LEAF_UNIT_SHIFT (ADDRESS_BITS - 31)
#define LEAF_UNIT	((size_t)1 << LEAF_UNIT_SHIFT)

#define ROOT_LEAVES  ((size_t)1 << (ADDRESS_BITS - LEAF_SHIFT))

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
	uint32_t live; /* a slab's count of objects out, see slab.h; else unused */
	uint8_t kind;  /* enum kind; constant while any page is tagged with it */
	bool guarded;  /* its last page is unreadable (pages/guard.h); the holder's */
};

struct leaf {
	uint16_t hot[LEAF_TAGS];
	struct descriptor *tags[LEAF_TAGS];
	struct region *regions[LEAF_REGIONS]; /* written under the zone's lock */
};

struct pagemap {
	struct leaf none; /* all zeroes, for ever */
	int32_t root[ROOT_LEAVES]; /* distance of the leaf from none, in units; 0: no leaf */
};

extern HIDDEN struct pagemap pagemap;

/* The leaf for an address, perhaps the empty one.  Any bit pattern may be asked for;
   those beyond user space are answered as their lower bits would be. */
ALWAYS_INLINE struct leaf *pagemap_leaf(struct pagemap *map, uintptr_t address)
{
	size_t index = address >> (LEAF_SHIFT - 2) & (ROOT_LEAVES - 1) << 2; /* in bytes: less work */
	intptr_t units = load_relaxed((const int32_t *)((const char *)map->root + index));
	char *leaf = (char *)map + (units << LEAF_UNIT_SHIFT);

	IN_REGISTER(leaf);
	return (struct leaf *)leaf;
}

static inline size_t pagemap_index(uintptr_t address)
{
	return address >> PAGE_SHIFT & (LEAF_TAGS - 1);
}

/* The descriptor of the page that p lies in, or NULL. */
ALWAYS_INLINE struct descriptor *pagemap_get(const void *p)
{
	uintptr_t address = (uintptr_t)p;

	return load_relaxed(&pagemap_leaf(&pagemap, address)->tags[pagemap_index(address)]);
}

/* The hot word of the page that p lies in. */
ALWAYS_INLINE uint16_t pagemap_hot(const void *p)
{
	uintptr_t address = (uintptr_t)p;
	struct pagemap *map = &pagemap;

	IN_REGISTER(map);
	return load_relaxed(&pagemap_leaf(map, address)->hot[pagemap_index(address)]);
}

/* Makes sure that [mem, mem + nbytes) can be tagged; false when the system refuses a leaf. */
bool pagemap_reserve(const void *mem, size_t nbytes);

/* For memory whose address is not known before it is there: a leaf mapped in advance, NULL when the
   system refuses; and its use for the page at mem.  It goes back if there is one already, or mem is
   NULL. */
COLD void *pagemap_spare(void);
COLD void pagemap_reserve_page(const void *mem, void *spare);

/* Tags the pages of [mem, mem + nbytes), which must be reserved; NULL clears. */
void pagemap_set(const void *mem, size_t nbytes, struct descriptor *tag);

/* Gives the pages of [mem, mem + nbytes), which must be reserved, that hot word. */
void pagemap_set_hot(const void *mem, size_t nbytes, uint16_t word);

/* Where the region around an address is noted; the range must be reserved. */
struct region **pagemap_region(const void *mem);

/* Whether a region is noted around an address, of any bit pattern. */
COLD bool pagemap_has_region(const void *mem);

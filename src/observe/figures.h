/*
 * The page of figures: what another process needs to know to read this one's heap, without its
 * help and without stopping it (preload/look). It holds no figure itself. It says where the
 * figures lie that the allocator keeps anyway, and how its structures are laid out, so what is
 * looked at costs neither an instruction nor a byte of RAM. It leads to the words of
 * cache/requests.h, too, by which another process asks for something, and to the secrets by which
 * gdb tells an object in use from a free one, and a whole header from one that was overwritten: who
 * may read them may read all memory.
 *
 *	ELF headers of libloam.so,    struct figures (read-only)      what the reader follows
 *	or of a static program
 *	+----------------------+      +------------------------+
 *	| PT_NOTE: "loam", 1,  | ---> | magic, layout, nbytes  |
 *	| distance of figures  |      | version, self          |
 *	+----------------------+      | objects[] ------------ | ---> page map, ring, caches, sums
 *	                              | numbers[]: offsets     |
 *	                              | magic                  |
 *	                              +------------------------+
 *
 * It is found by a note in the program headers, so in the process's own memory: no name of a
 * mapping, no section and no file on disk is needed.
 *
 * Whoever changes the lists below or what a row means raises FIGURES_LAYOUT, and changes
 * preload/look/outside/page.py with it, which has the same lists (tests/look compares them). A
 * field that moves within its structure needs neither.
 */
#pragma once

#include "base/compiler.h"
#include "observe/counter_rows.h"

#define FIGURES_LAYOUT 10
#define FIGURES_MAGIC  "loamfigs"
#define FIGURES_NOTE   1 /* the note's type */

/* OBJECT(name, address) */
#define FIGURES_OBJECTS(OBJECT)                                                                    \
	OBJECT(pagemap, &pagemap)                                                                  \
	OBJECT(ring, &ring_all)                                                                    \
	OBJECT(caches, &cache_all)                                                                 \
	OBJECT(shelves, depot_shelves)                                                             \
	OBJECT(zone_sizes, &zone.sizes)                                                            \
	OBJECT(huge_sizes, &huge_table.sizes)                                                      \
	OBJECT(live, &retain_live)                                                                 \
	OBJECT(most, &retain_most)                                                                 \
	OBJECT(retained, &retain_retained)                                                         \
	OBJECT(metadata, &metadata_bytes)                                                          \
	OBJECT(runs_made, &run_made)                                                               \
	OBJECT(runs_now, &run_now)                                                                 \
	OBJECT(runs_pages_now, &run_pages_now)                                                     \
	OBJECT(lock_waits, &lock_waits)                                                            \
	OBJECT(fast_limit, &fast_limit)                                                            \
	OBJECT(fast_limit_counted, &fast_limit_counted)                                            \
	OBJECT(requests, &requests)                                                                \
	OBJECT(samples, &samples)                                                                  \
	OBJECT(mark_secret, &slab_mark_secret)                                                     \
	OBJECT(chunk_secret, &chunk_secret)                                                        \
	OBJECT(fence_secret, &fence_secret)                                                        \
	OBJECT(run_secret, &run_secret)

/* NUMBER(name, value): constants, and the offsets and sizes of fields in bytes. */
#define FIGURES_NUMBERS(NUMBER)                                                                    \
	NUMBER(page_shift, PAGE_SHIFT)                                                             \
	NUMBER(region_shift, REGION_SHIFT)                                                         \
	NUMBER(leaf_shift, LEAF_SHIFT)                                                             \
	NUMBER(leaf_unit_shift, LEAF_UNIT_SHIFT)                                                   \
	NUMBER(table_shift, TABLE_SHIFT)                                                           \
	NUMBER(root_leaves, ROOT_LEAVES)                                                           \
	NUMBER(classes, CLASSES)                                                                   \
	NUMBER(class_size_max, CLASS_SIZE_MAX)                                                     \
	NUMBER(kind_slab, KIND_SLAB)                                                               \
	NUMBER(kind_heap, KIND_HEAP)                                                               \
	NUMBER(kind_run, KIND_RUN)                                                                 \
	NUMBER(kind_huge, KIND_HUGE)                                                               \
	NUMBER(kind_early, KIND_EARLY)                                                             \
	NUMBER(kind_metadata, KIND_METADATA)                                                       \
	NUMBER(kind_sampled, KIND_SAMPLED)                                                         \
	NUMBER(pagemap_root, offsetof(struct pagemap, root))                                       \
	NUMBER(pagemap_no_tags, offsetof(struct pagemap, no_tags))                                 \
	NUMBER(leaf_bytes, sizeof(struct leaf))                                                    \
	NUMBER(leaf_tables, offsetof(struct leaf, tables))                                         \
	NUMBER(leaf_regions, offsetof(struct leaf, regions))                                       \
	NUMBER(leaf_number, offsetof(struct leaf, number))                                         \
	NUMBER(region_bytes, sizeof(struct region))                                                \
	NUMBER(region_base, offsetof(struct region, base))                                         \
	NUMBER(region_owned, offsetof(struct region, owned))                                       \
	NUMBER(region_free, offsetof(struct region, free))                                         \
	NUMBER(tag_kind, offsetof(struct descriptor, kind))                                        \
	NUMBER(slab_bytes, sizeof(struct slab))                                                    \
	NUMBER(slab_size, offsetof(struct slab, size))                                             \
	NUMBER(slab_out, offsetof(struct slab, out))                                               \
	NUMBER(slab_base, offsetof(struct slab, base))                                             \
	NUMBER(slab_owner, offsetof(struct slab, owner))                                           \
	NUMBER(slab_capacity, offsetof(struct slab, capacity))                                     \
	NUMBER(slab_touched, offsetof(struct slab, touched))                                       \
	NUMBER(slab_class, offsetof(struct slab, class))                                           \
	NUMBER(slab_order, offsetof(struct slab, order))                                           \
	NUMBER(slab_free, offsetof(struct slab, free))                                             \
	NUMBER(heap_bytes, sizeof(struct heap))                                                    \
	NUMBER(heap_owner, offsetof(struct heap, owner))                                           \
	NUMBER(heap_base, offsetof(struct heap, base))                                             \
	NUMBER(heap_end, offsetof(struct heap, end))                                               \
	NUMBER(chunk_least, CHUNK_LEAST)                                                           \
	NUMBER(chunk_end, CHUNK_END)                                                               \
	NUMBER(chunk_word_bits, CHUNK_WORD_BITS)                                                   \
	NUMBER(chunk_flags, CHUNK_FLAGS)                                                           \
	NUMBER(chunk_in_use, CHUNK_IN_USE)                                                         \
	NUMBER(chunk_prev_in_use, CHUNK_PREV_IN_USE)                                               \
	NUMBER(run_bytes, sizeof(struct run))                                                      \
	NUMBER(run_mem, offsetof(struct run, mem))                                                 \
	NUMBER(run_npages, offsetof(struct run, npages))                                           \
	NUMBER(run_usable, offsetof(struct run, usable))                                           \
	NUMBER(run_kept, offsetof(struct run, kept))                                               \
	NUMBER(huge_bytes, sizeof(struct huge))                                                    \
	NUMBER(huge_mem, offsetof(struct huge, mem))                                               \
	NUMBER(huge_nbytes, offsetof(struct huge, nbytes))                                         \
	NUMBER(huge_mapped, offsetof(struct huge, mapped))                                         \
	NUMBER(arena_bytes, sizeof(struct arena))                                                  \
	NUMBER(arena_number, offsetof(struct arena, number))                                       \
	NUMBER(arena_next, offsetof(struct arena, next))                                           \
	NUMBER(arena_chunks, offsetof(struct arena, chunks))                                       \
	NUMBER(arena_system, offsetof(struct arena, chunks.system))                                \
	NUMBER(arena_in_use, offsetof(struct arena, chunks.in_use))                                \
	NUMBER(arena_small_hits, offsetof(struct arena, chunks.small_hits))                        \
	NUMBER(arena_unsorted_hits, offsetof(struct arena, chunks.unsorted_hits))                  \
	NUMBER(arena_large_hits, offsetof(struct arena, chunks.large_hits))                        \
	NUMBER(arena_remainder_hits, offsetof(struct arena, chunks.remainder_hits))                \
	NUMBER(arena_top_hits, offsetof(struct arena, chunks.top_hits))                            \
	NUMBER(arena_purged, offsetof(struct arena, chunks.purged_bytes))                          \
	NUMBER(arena_refills, offsetof(struct arena, counts.refills))                              \
	NUMBER(arena_objects, offsetof(struct arena, counts.objects))                              \
	NUMBER(arena_slabs, offsetof(struct arena, slabs))                                         \
	NUMBER(slabs_bytes, sizeof(struct slabs))                                                  \
	NUMBER(slabs_out, offsetof(struct slabs, out))                                             \
	NUMBER(cache_bytes, sizeof(struct cache))                                                  \
	NUMBER(cache_magazines, offsetof(struct cache, magazines))                                 \
	NUMBER(cache_arena, offsetof(struct cache, arena))                                         \
	NUMBER(cache_next, offsetof(struct cache, next))                                           \
	NUMBER(cache_thread, offsetof(struct cache, holder.mutex.__data.__lock))                   \
	NUMBER(cache_ticks, offsetof(struct cache, ticks))                                         \
	NUMBER(magazine_bytes, sizeof(struct magazine))                                            \
	NUMBER(magazine_last, offsetof(struct magazine, last))                                     \
	NUMBER(magazine_end, offsetof(struct magazine, end))                                       \
	NUMBER(magazine_none, offsetof(struct magazine, none))                                     \
	NUMBER(magazine_capacity, offsetof(struct magazine, capacity))                             \
	NUMBER(magazine_most, MAGAZINE_MOST)                                                       \
	NUMBER(shelf_bytes, sizeof(struct shelf))                                                  \
	NUMBER(shards, SHARDS)                                                                     \
	NUMBER(shelf_objects, offsetof(struct shelf, objects))                                     \
	NUMBER(zone_sizes_bytes, sizeof(struct zone_sizes))                                        \
	NUMBER(zone_mapped, offsetof(struct zone_sizes, mapped))                                   \
	NUMBER(zone_free_dirty, offsetof(struct zone_sizes, free_dirty))                           \
	NUMBER(zone_purged, offsetof(struct zone_sizes, purged))                                   \
	NUMBER(huge_sizes_bytes, sizeof(struct huge_sizes))                                        \
	NUMBER(huge_sizes_count, offsetof(struct huge_sizes, count))                               \
	NUMBER(huge_sizes_nbytes, offsetof(struct huge_sizes, nbytes))                             \
	NUMBER(huge_sizes_kept, offsetof(struct huge_sizes, kept))                                 \
	NUMBER(huge_sizes_made, offsetof(struct huge_sizes, made))                                 \
	NUMBER(fast_granules, FAST_GRANULES)                                                       \
	NUMBER(requests_refused, offsetof(struct requests, refused))                               \
	NUMBER(requests_of, offsetof(struct requests, of))                                         \
	NUMBER(request_bytes, sizeof(struct request))                                              \
	NUMBER(request_asked, offsetof(struct request, asked))                                     \
	NUMBER(request_answered, offsetof(struct request, answered))                               \
	NUMBER(request_failed, offsetof(struct request, failed))                                   \
	NUMBER(request_given, offsetof(struct request, given))                                     \
	NUMBER(request_result, offsetof(struct request, result))                                   \
	NUMBER(request_text, offsetof(struct request, text))                                       \
	NUMBER(request_text_bytes, REQUEST_TEXT)                                                   \
	NUMBER(samples_bytes, sizeof(struct samples))                                              \
	NUMBER(sample_heads, SAMPLE_HEADS)                                                         \
	NUMBER(sample_bytes, sizeof(struct sample))                                                \
	NUMBER(site_bytes, sizeof(struct site))                                                    \
	NUMBER(site_lives, LIVES)                                                                  \
	NUMBER(site_frames, TRAIL_MOST)                                                            \
	NUMBER(slot_bytes, sizeof(struct slot))                                                    \
	NUMBER(slot_mem, offsetof(struct slot, mem))                                               \
	NUMBER(slot_size, offsetof(struct slot, size))                                             \
	NUMBER(slot_in_use, offsetof(struct slot, in_use))                                         \
	NUMBER(slot_allocated, offsetof(struct slot, allocated))                                   \
	NUMBER(slot_freed, offsetof(struct slot, freed))                                           \
	NUMBER(stack_most, STACK_FRAMES)

enum figures_object {
#define OBJECT(name, address) FIGURES_OBJECT_##name,
	FIGURES_OBJECTS(OBJECT)
#undef OBJECT
		FIGURES_OBJECT_COUNT
};

enum figures_number {
#define NUMBER(name, value) FIGURES_NUMBER_##name,
	FIGURES_NUMBERS(NUMBER)
#undef NUMBER
		FIGURES_NUMBER_COUNT
};

struct figures {
	char magic[8];
	uint32_t layout; /* FIGURES_LAYOUT */
	uint32_t nbytes; /* of this */
	char version[16];
	const struct figures *self; /* where this lies: what else is relocated, too */
	const uint32_t *counters;   /* counter_fields */
	const void *objects[FIGURES_OBJECT_COUNT];
	uint32_t numbers[FIGURES_NUMBER_COUNT];
	char end[8]; /* the magic again */
};

static_assert(offsetof(struct figures, counters) == 40,
	      "a reader of any layout reads what is before");

extern HIDDEN const struct figures figures;

/*
 * loam's interface under names of its own.
 *
 * Each loam_x() below is loam's own x(), which libloam.so and libloam.a put in the place of libc's
 * wherever they give that name: the same heap, the same code, so that memory from either name
 * goes back by either.  A program calls these to be sure that it talks to loam whatever else is
 * loaded; at the end stand the functions that only loam has.
 *
 * Sizes and alignments are in bytes.  Memory of a function that names no alignment is a multiple
 * of 16.  Without memory the result is NULL and errno ENOMEM, and a size over PTRDIFF_MAX is
 * such a case; a call that succeeds leaves errno as it was, and freeing always does.  All may be
 * called from any thread.  A pointer that loam did not give goes to the next allocator of the
 * process; one that no allocator can have given (freed twice, inside an object, on the stack) ends
 * the program with one line on standard error.
 */
#pragma once

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Attributes in their reserved spelling, which no program defines as macros.  Without __extension__
   clang -std=c89 -pedantic -Werror refuses bool. */
#define LOAM_API	 __extension__ __attribute__((__visibility__("default"), __nothrow__))
#define LOAM_NEW	 __attribute__((__malloc__, __warn_unused_result__))
#define LOAM_USED	 __attribute__((__warn_unused_result__))
#define LOAM_SIZE(n)	 __attribute__((__alloc_size__(n)))
#define LOAM_SIZE2(n, m) __attribute__((__alloc_size__(n, m)))
#define LOAM_ALIGN(n)	 __attribute__((__alloc_align__(n)))
#define LOAM_NONNULL(n)	 __attribute__((__nonnull__(n)))

#ifdef __cplusplus
extern "C" {
#endif

/* C and POSIX ------------------------------------------------------------------------------ */

/* An object of at least size bytes, its contents undefined.  size 0 gives one too, unlike any
   other, that must be freed. */
LOAM_API LOAM_NEW LOAM_SIZE(1) void *loam_malloc(size_t size);

/* An array of count members of size bytes, all zero.  ENOMEM also where the product overflows. */
LOAM_API LOAM_NEW LOAM_SIZE2(1, 2) void *loam_calloc(size_t count, size_t size);

/* The object with its new size, perhaps elsewhere; its contents stay up to the smaller size.
   mem NULL: loam_malloc(size).  size 0: frees mem, and the result is NULL with errno untouched,
   as glibc has it (undefined in C23).  Without memory mem stays as it is; a request for less is
   then met by mem itself, but for objects of harden=2 and above, and those that guard sampled. */
LOAM_API LOAM_USED LOAM_SIZE(2) void *loam_realloc(void *mem, size_t size);

/* loam_realloc(mem, count * size); ENOMEM where the product overflows (POSIX.1-2024). */
LOAM_API LOAM_USED LOAM_SIZE2(2, 3) void *loam_reallocarray(void *mem, size_t count, size_t size);

/* Ends the object's life.  NULL: nothing happens.  errno is kept (POSIX.1-2024). */
LOAM_API void loam_free(void *mem);

/* An object at a multiple of alignment; size need not be one.  EINVAL where alignment is not a
   power of two (C11, with C17's DR 460). */
LOAM_API LOAM_NEW LOAM_ALIGN(1)
	LOAM_SIZE(2) void *loam_aligned_alloc(size_t alignment, size_t size);

/* The same by *ret_mem, which is written on success alone.  The result is 0 or the error: EINVAL
   where alignment is not a power of two and a multiple of sizeof(void *), or ENOMEM, which
   errno is set to as well, as by glibc; EINVAL leaves it alone. */
LOAM_API LOAM_USED LOAM_NONNULL(1) int loam_posix_memalign(void **ret_mem, size_t alignment,
							   size_t size);

/* C23 -------------------------------------------------------------------------------------- */

/* loam_free for what malloc, calloc or realloc gave when asked for size bytes. */
LOAM_API void loam_free_sized(void *mem, size_t size);

/* loam_free for what aligned_alloc(alignment, size) gave. */
LOAM_API void loam_free_aligned_sized(void *mem, size_t alignment, size_t size);

/* The largest power of two that the address is a multiple of; 0 for NULL. */
LOAM_API size_t loam_memalignment(const void *mem);

/* glibc ------------------------------------------------------------------------------------ */

/* loam_aligned_alloc whose alignment is raised to the next power of two; EINVAL where there is
   none. */
LOAM_API LOAM_NEW LOAM_SIZE(2) void *loam_memalign(size_t alignment, size_t size);

/* An object that starts at a page. */
LOAM_API LOAM_NEW LOAM_SIZE(1) void *loam_valloc(size_t size);

/* The same of whole pages: size is rounded up to them. */
LOAM_API LOAM_NEW LOAM_SIZE(1) void *loam_pvalloc(size_t size);

/* loam_free under its name of old. */
LOAM_API void loam_cfree(void *mem);

/* How many bytes of the object may be used, at least what was asked for; 0 for NULL. */
LOAM_API size_t loam_malloc_usable_size(void *mem);

/* What loam holds and what of it is in use: arena = uordblks + fordblks, in bytes; hblks and
   hblkhd count objects with a mapping of their own; ordblks counts free chunks; keepcost is top. */
LOAM_API struct mallinfo2 loam_mallinfo2(void);

/* The same in int; a figure that does not fit is INT_MAX. */
LOAM_API struct mallinfo loam_mallinfo(void);

/* Sets one of <malloc.h>'s M_* parameters, as far as loam has the thing.  The result is glibc's:
   1, for what is unknown too; 0 for M_MXFAST beyond its range, and without memory. */
LOAM_API int loam_mallopt(int parameter, int value);

/* Gives free memory back to the system, but for pad bytes of top.  1 when some was given back,
   else 0. */
LOAM_API int loam_malloc_trim(size_t pad);

/* Prints bytes held and in use on standard error. */
LOAM_API void loam_malloc_stats(void);

/* Writes the same in detail to file, in glibc's XML.  The result is 0, or EINVAL where options
   is not 0. */
LOAM_API LOAM_NONNULL(2) int loam_malloc_info(int options, FILE *file);

/* There is no state to save: NULL and ENOSYS. */
LOAM_API void *loam_malloc_get_state(void);

/* There is no state to restore: -1. */
LOAM_API int loam_malloc_set_state(void *state);

/* loam ------------------------------------------------------------------------------------- */

/* Proves the heap: its zone, the page map, huge objects, every arena, the depot, and what the
   calling thread keeps for itself.  false when an invariant does not hold; which one, and the two
   values that disagree, stands on standard error. */
LOAM_API LOAM_USED bool loam_check(void);

/* Whether the address lies in an object, in a slab, chunk heap or run that loam keeps, or in its
   metadata. False for free pages and freed huge objects, so a freed object may not be owned any
   more. */
LOAM_API LOAM_USED bool loam_owns(const void *mem);

/* "major.minor.patch"; constant. */
LOAM_API LOAM_USED const char *loam_version(void);

/* What loam holds: fields in _bytes are bytes, the others numbers; those from `promotions` on count
   since the process began. Fields are only added, at the end. */
struct loam_stats {
	uint64_t live_bytes;	     /* bytes that the program holds */
	uint64_t cached_bytes;	     /* free bytes in thread caches and the depot */
	uint64_t free_bytes;	     /* free bytes elsewhere, but for clean free blocks */
	uint64_t retained_bytes;     /* free bytes that count for giving memory back */
	uint64_t most_live_bytes;    /* the most bytes at a time in blocks handed out */
	uint64_t metadata_bytes;     /* bytes mapped for loam's own use */
	uint64_t arenas;	     /* arenas */
	uint64_t caches;	     /* thread caches, those of threads that ended too */
	uint64_t cached_objects;     /* free objects in thread caches and the depot */
	uint64_t slabs;		     /* slabs */
	uint64_t slab_bytes;	     /* bytes of blocks that are slabs */
	uint64_t slab_objects;	     /* objects of slabs that the program holds */
	uint64_t slab_object_bytes;  /* bytes of objects of slabs that the program holds */
	uint64_t heap_bytes;	     /* bytes of chunk heaps */
	uint64_t chunk_bytes;	     /* bytes of chunks in use, with headers */
	uint64_t free_chunks;	     /* free chunks in bins */
	uint64_t runs;		     /* runs of pages that the program holds */
	uint64_t run_bytes;	     /* bytes of runs that the program holds */
	uint64_t kept_runs;	     /* freed runs that arenas keep */
	uint64_t kept_run_bytes;     /* bytes of freed runs that arenas keep */
	uint64_t huge_objects;	     /* huge objects that the program holds */
	uint64_t huge_bytes;	     /* bytes of huge objects */
	uint64_t kept_huge_bytes;    /* bytes of kept mappings of huge objects */
	uint64_t most_huge_objects;  /* the most huge objects at a time */
	uint64_t most_huge_bytes;    /* the most bytes of huge objects at a time */
	uint64_t regions;	     /* regions of page frames */
	uint64_t region_bytes;	     /* bytes of regions */
	uint64_t dirty_block_bytes;  /* bytes of free blocks that may be in RAM */
	uint64_t clean_block_bytes;  /* bytes of free blocks that are not in RAM */
	uint64_t promotions;	     /* size classes that slabs began to serve */
	uint64_t demotions;	     /* size classes that slabs ceased to serve */
	uint64_t refills;	     /* refills of thread caches from slabs */
	uint64_t refilled_objects;   /* objects taken in refills */
	uint64_t slabs_made;	     /* slabs made */
	uint64_t slabs_given_back;   /* slabs given back */
	uint64_t small_hits;	     /* chunks from small bins */
	uint64_t unsorted_hits;	     /* chunks from the unsorted bin */
	uint64_t large_hits;	     /* chunks from larger bins */
	uint64_t remainder_hits;     /* chunks from the last remainder */
	uint64_t top_hits;	     /* chunks from top */
	uint64_t chunk_splits;	     /* chunks that were split */
	uint64_t chunk_merges;	     /* chunks that were merged */
	uint64_t top_grown_brk;	     /* times top grew by brk */
	uint64_t top_grown_block;    /* times top became a new block */
	uint64_t top_trims;	     /* times top shrank */
	uint64_t heap_purged_bytes;  /* bytes of chunk heaps given back */
	uint64_t blocks_taken;	     /* blocks of page frames handed out */
	uint64_t block_splits;	     /* blocks that were split */
	uint64_t block_merges;	     /* blocks that were merged */
	uint64_t block_purged_bytes; /* bytes of free blocks given back */
	uint64_t runs_made;	     /* runs made */
	uint64_t huge_made;	     /* huge objects made */
	uint64_t lock_waits;	     /* times a thread waited for a lock */
};

/* Writes the first size bytes of the figures, or of more than there are, zeros behind them: so a
   program and a library of different versions understand each other. The result is 0, or EINVAL
   where size is 0 or no multiple of 8. Takes no lock and allocates nothing, in the time of a walk
   over arenas and thread caches; while other threads run, each figure is of some moment of it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* C++: the function hides the struct */
LOAM_API LOAM_NONNULL(1) int loam_stats(struct loam_stats *ret_stats, size_t size);
#pragma GCC diagnostic pop

#ifdef __cplusplus
}
#endif

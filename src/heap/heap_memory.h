/*
 * The memory of heaps: of the main arena a stretch of the data segment, as long as nobody else
 * moves that; else a block of the zone, 32 KiB first, then each as large as all before, to 4 MiB,
 * or as small as the request allows, where no larger one can be had.
 */
#pragma once

#include "base/compiler.h"
#include "heap/chunk_heap.h"

/* Memory for at least need bytes, the newest heap of ch: listed, tagged, counted; NULL when the
   system refuses.  *ret_clean: all of it reads as zero. */
struct heap *heap_obtain(struct chunk_heap *ch, size_t need, bool *ret_clean);

/* Makes a heap of the data segment longer, by need bytes and a pad, or need alone; by how many
   bytes, 0: it cannot be. */
size_t heap_extend(struct heap *heap, size_t need);

/* Moves the data segment's end, which is the heap's, down by nbytes; the heap's is the caller's to
   set. */
bool heap_shorten(struct heap *heap, size_t nbytes);

/* Counts bytes that hold no memory as live again when they have left the bins, as all of a heap is
   that is in no free chunk. */
void heap_restore_clean(struct chunk_heap *ch);

/* Unlists the heap and gives its memory back, a block or the end of the data segment; its first
   `touched` bytes may have been written.  False, and nothing done, when the system refuses. */
bool heap_release(struct chunk_heap *ch, struct heap *heap, size_t touched);

/* The same of a block, if the free piece at c fills it; else false, too. */
bool heap_release_filled(struct chunk_heap *ch, const struct chunk *c, size_t csize);

/*
 * What a chunk heap retains, whole pages in big free chunks and those of top beyond the pad, and
 * how it goes back under the rule of pages/retain.h, or when it is asked for.
 */
#pragma once

#include "base/compiler.h"
#include "heap/chunk_heap.h"
#include "heap/top.h"
#include "pages/retain.h"

#define HEAP_TOLD_STEP ((intptr_t)(64 * KIB)) /* changes below it are not worth an atomic add */

/* Tells pages/retain.h that the heap retains so many bytes more, or fewer. */
void heap_tell(struct chunk_heap *ch, intptr_t change);

/* Tells pages/retain.h what the heap retains, when that has changed by much. */
ALWAYS_INLINE void heap_tell_retained(struct chunk_heap *ch)
{
	size_t retained = ch->bins.dirty + top_retained(ch);
	intptr_t change = (intptr_t)(retained - ch->retained);

	if (UNLIKELY(change >= HEAP_TOLD_STEP || -change >= HEAP_TOLD_STEP))
		heap_tell(ch, change);
}

/* To be called when a big chunk or top has become free: gives back what is over the rule, and what
   top has over trim_threshold. */
void heap_obey(struct chunk_heap *ch);

/* Gives a top that fills a block to the zone, for other threads to take it. */
COLD void heap_share(struct chunk_heap *ch);

/* Gives memory back while more is retained than the rule allows: top's, chunks', the zone's. */
COLD void heap_obey_rule(struct chunk_heap *ch);

/* Gives back all free memory in whole pages, but pad bytes of top; the number of bytes. */
COLD size_t heap_trim(struct chunk_heap *ch, size_t pad);

/*
 * What a chunk heap retains, whole pages of big free chunks and those of top beyond the pad, and
 * how it goes back under the rule of pages/retain.h, or when it is asked for.
 */
#pragma once

#include "base/compiler.h"
#include "heap/chunk_heap.h"
#include "heap/top.h"
#include "pages/retain.h"

/* heap_obey() and heap_obey_with() where there is something to do. */
NOINLINE void heap_obey_slowly(struct chunk_heap *ch);
NOINLINE void heap_obey_with_slowly(struct chunk_heap *ch, struct chunk *c);

/* The next call of the rule looks at chunks, however many it has found to be purged already. */
static inline void heap_end_pause(struct chunk_heap *ch)
{
	ch->purge_pause = 0;
}

#define HEAP_COUNT_STEP ((intptr_t)(64 * KIB)) /* changes below it are not worth an atomic add */

/* Counts `change` bytes more, or fewer, as retained by the heap in pages/retain.h. */
void heap_count_retained(struct chunk_heap *ch, intptr_t change);

/* Counts in pages/retain.h how many bytes of free chunks hold no memory, and so are not live. Where
   they became fewer, the others are faulted in. */
void heap_count_clean(struct chunk_heap *ch);

/* How many bytes more the heap retains than pages/retain.h counts; negative: fewer. */
ALWAYS_INLINE intptr_t heap_uncounted(const struct chunk_heap *ch)
{
	return (intptr_t)(ch->bins.dirty + top_retained(ch) - ch->retained);
}

ALWAYS_INLINE bool heap_is_much(intptr_t change)
{
	return change >= HEAP_COUNT_STEP || -change >= HEAP_COUNT_STEP;
}

/* Whether much more is clean than was counted; or less by anything, where the difference wraps. */
ALWAYS_INLINE bool heap_is_clean_uncounted(const struct chunk_heap *ch)
{
	return ch->bins.clean - ch->counted_clean >= (size_t)HEAP_COUNT_STEP;
}

/* Counts in pages/retain.h what the heap retains, and what is clean, once that changed by much. */
ALWAYS_INLINE void heap_count_changes(struct chunk_heap *ch)
{
	intptr_t change = heap_uncounted(ch);

	if (UNLIKELY(heap_is_much(change)))
		heap_count_retained(ch, change);
	if (UNLIKELY(heap_is_clean_uncounted(ch)))
		heap_count_clean(ch);
}

/* To be called when top, or a chunk, has become free: gives back what is over the rule, and what
   top has over trim_threshold. */
ALWAYS_INLINE void heap_obey(struct chunk_heap *ch)
{
	if (UNLIKELY(heap_is_much(heap_uncounted(ch)) || heap_is_clean_uncounted(ch)))
		heap_obey_slowly(ch);
}

/* As heap_obey() for the big chunk c, which is in the bins; what is over the rule goes back from
   that one first. */
ALWAYS_INLINE void heap_obey_with(struct chunk_heap *ch, struct chunk *c)
{
	if (UNLIKELY(retain_is_over_floor()))
		heap_obey_with_slowly(ch, c);
	else
		heap_obey(ch);
}

/* Gives a top that fills a block to the zone, for other threads to take it. */
COLD void heap_share(struct chunk_heap *ch);

/* Gives memory back while more is retained than the rule allows: top's, chunks', the zone's. */
COLD void heap_obey_rule(struct chunk_heap *ch);

/* Gives back all free memory in whole pages, but pad bytes of top; the number of bytes. */
LATER size_t heap_trim(struct chunk_heap *ch, size_t pad);

/*
 * Top: the free chunk at the end of the newest heap, from which requests are cut that nothing else
 * fits.
 *
 *	top          top_clean                                      end
 *	 | may hold memory |  zero and untouched  ........  | CHUNK_END |
 *
 * Top is in no bin, has no copy of its size behind it, and never is smaller than CHUNK_LEAST, so
 * that it can be closed at any time: an end is written behind it, and it becomes a free chunk like
 * others.  Of the main arena it grows and shrinks with the data segment; when somebody else has
 * moved that, a new heap begins.
 */
#pragma once

#include "base/compiler.h"
#include "base/options.h"
#include "heap/chunk_heap.h"
#include "os/check.h"

/* Bytes of top; 0 when there is none. */
static inline size_t top_size(const struct chunk_heap *ch)
{
	return ch->top ? (size_t)(ch->top_heap->end - CHUNK_END - (char *)ch->top) : 0;
}

/* What top keeps in any case; a top by brk alone keeps anything. */
static inline size_t top_pad(const struct chunk_heap *ch)
{
	return ch->top && ch->top_heap->brk ? options.top_pad : 0;
}

/* Cuts a chunk of need bytes off top; NULL when top is too small. */
void *top_malloc(struct chunk_heap *ch, size_t need, bool *ret_zero);

/* Top, if there is one, becomes a free chunk before an end, or its block goes back to the zone.
   True when a big free chunk came to be: the caller looks at the rule (heap_obey). */
bool top_close(struct chunk_heap *ch);

/* A new heap becomes the one that top lies in; clean: all of it reads as zero.  The top before must
   be closed. */
void top_open(struct chunk_heap *ch, struct heap *heap, bool clean);

/* Makes top larger where it is, to room for need bytes; false when it cannot. */
bool top_extend(struct chunk_heap *ch, size_t need);

/* Clean memory up to `until` is used now, of which some was purged. */
COLD void top_use_purged(struct chunk_heap *ch, char *until);

/* Top begins at c from now on: memory before it was freed or given out. */
ALWAYS_INLINE void top_move(struct chunk_heap *ch, struct chunk *c)
{
	ASSERT((char *)c >= ch->top_heap->base &&
	       (char *)c + CHUNK_LEAST <= ch->top_heap->end - CHUNK_END);
	store_relaxed(&ch->top, c);
	chunk_set(c, top_size(ch) | CHUNK_PREV_IN_USE);
	if (ch->top_clean >= (char *)chunk_mem(c))
		return;
	if (UNLIKELY(ch->top_purged))
		top_use_purged(ch, chunk_mem(c));
	ch->top_clean = chunk_mem(c);
}

/* Top begins at c from now on: memory before it was freed, `clean` bytes of which hold no
   memory. */
COLD void top_move_over_clean(struct chunk_heap *ch, struct chunk *c, size_t clean);

/* Bytes of top that may hold memory, beyond the pad, or beyond trim_threshold where that is set:
   what top then keeps is no reason to purge anything else. */
static inline size_t top_retained(const struct chunk_heap *ch)
{
	size_t dirty = ch->top ? (size_t)(ch->top_clean - (char *)ch->top) : 0;

	ASSERT(!ch->top || (ch->top_clean > (char *)ch->top && ch->top_clean <= ch->top_heap->end));
	return minus(dirty, larger(top_pad(ch), options.trim_threshold));
}

/* Gives back a heap that is nothing but top; false when there is none, or the system refuses. */
bool top_release(struct chunk_heap *ch);

/* Gives back what top has beyond pad bytes, in whole pages; with pad 0 an empty heap too. */
size_t top_trim(struct chunk_heap *ch, size_t pad);

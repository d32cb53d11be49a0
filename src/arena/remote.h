/*
 * Objects freed by a thread that does not own them.
 *
 * They are collected by destination and posted in batches to the destination's
 * inbox, one compare-exchange a batch.  The owner takes all that is there in
 * its slow path.
 */
#pragma once

#include "arena/arena.h"

/* Takes over an object of another arena, of that many bytes; self is the caller's. */
void remote_free(struct arena *self, struct arena *to, void *mem, size_t nbytes);

/* The same in short, for what is by far the most of what no magazine takes: a small object of another
   arena's slab, and an outbox that goes there already and is not full by it.  mem is in a page with
   a hot word.  False, and nothing done, for all else. */
bool remote_free_short(void *mem);

/* Posts all that waits in the outboxes of an arena that the caller holds. */
void remote_flush(struct arena *self);

/* Frees what waits in the inbox of an arena that the caller holds; true if anything did. */
bool remote_drain(struct arena *self);

/* Calls visit, several times for each arena, with bytes that others freed and it has not taken in yet, as far as
   another thread can tell. */
COLD void remote_visit(void (*visit)(const struct arena *to, size_t nbytes, void *arg), void *arg);

/* Leaves an object, whoever's it is, in an inbox, to be freed later: for signal handlers that
   interrupted this thread's use of its arena. */
void remote_defer(void *mem);

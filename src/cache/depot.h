/*
 * The depot: objects on their way from one thread's full magazine to another's empty one.
 *
 * An object that one thread frees and another allocated need not go back to its slab to be used.
 * The older half of a full magazine goes into the depot; an empty magazine is filled from there.
 * So objects go round between producer and consumer, many at a time. What the depot has no room
 * for goes home, that is to its slab.
 *
 *	thread that frees            depot, by class          thread that allocates
 *	magazine [o o o o o o]       crate -> [o o o]         magazine [. . . . . .]
 *	         full: the older half ------> [o o o] ------> empty: filled by half
 *
 * A crate is an array of objects of one class; a shelf holds the crates of a class in a shard
 * (cache/shards.h). A thread puts crates onto the shelf of its own shard and takes them from there;
 * if that is empty, from those of other shards. Under the shelf's lock a crate is only linked or
 * unlinked: its objects are copied before and after, and its first line of cache is fetched before.
 * A magazine that is smaller than the one that was spilled takes a part of a crate, which is copied
 * under the lock; that is rare once magazines have grown. Objects smaller than a line of cache do
 * not come here but go home, so that two threads seldom use one line.
 *
 * Each class may have DEPOT_BYTES here, in equal parts by shards, but DEPOT_SHARD_BYTES in each;
 * its last crate, which may be a whole magazine, may exceed that. It may have more,
 * if objects of it were taken from the shard since the last settling, while the shard has less than
 * its part of a DEPOT_SHARE-th of what is live: where nobody takes them, each would pin its page
 * for nothing. What is here counts as retained (pages/retain.h); while more is retained than the
 * rule allows, nothing is taken. What was not needed for a while goes home.
 *
 * Invariants, proved by depot_check():
 *	D1  all objects here are of their class, bear the mark of free ones, and are out of their
 *	    slabs;
 *	D2  the count of objects is that of the crates;
 *	D3  a shelf with objects is listed (depot_next()).
 *
 * A crate's bytes are added to what is retained before it is linked, and subtracted after it is
 * unlinked, both without the lock. In the child of a fork they may stay counted for each thread
 * that was between the two.
 *
 * Locking: each shelf has a lock, taken in these functions, one at a time. Lock and shelf lie in
 * one line of cache, which moves once for a crate. Threads that spin on it slow down the holder,
 * but there are few to a shard. Only depot_check() touches objects under a lock.
 */
#pragma once

#include "cache/shards.h"
#include "os/lock.h"
#include "slab/slab.h"

#define DEPOT_BYTES	  (256 * KIB) /* of each class */
#define DEPOT_SHARD_BYTES (64 * KIB)  /* at least, of each class in a shard */
#define DEPOT_SHARE	  16	      /* see above */

/* Takes n objects of a class into the depot. False when there is no room or no memory. */
bool depot_put(unsigned sc, struct object *const *objects, uint32_t n);

/* Takes out up to `most` objects of a class, from one crate. Returns how many. */
uint32_t depot_take(unsigned sc, struct object **ret_objects, uint32_t most);

/* The next three are for the calling thread's shard, or for all of them. */

/* depot_take() of objects that were not needed since depot_settle(). */
COLD uint32_t depot_take_idle(unsigned sc, struct object **ret_objects, uint32_t most,
			      bool everywhere);

/* Begins the time in which objects of a class are idle that are not taken. */
COLD void depot_settle(unsigned sc, bool everywhere);

/* The first class from sc on with objects in the depot, or that had some at its last settling;
   CLASSES: none. Perhaps a moment old. */
unsigned depot_next(unsigned sc, bool everywhere);

/* How many objects of a class are in the depot; perhaps a moment old. */
size_t depot_objects(unsigned sc);

/* The crates of a class in a shard. For observe/figures.c: others call depot_objects(). */
struct shelf {
	ALIGNED(CACHE_LINE) struct lock lock;
	struct crate *crates;
	uint32_t objects; /* read without the lock */
	uint32_t least;	  /* that there were since the last settling */
	bool taken;	  /* objects were, since the last settling; read without the lock */
};

extern HIDDEN struct shelf depot_shelves[SHARDS][CLASSES];

/* Calls visit for each object in the depot, whose shelves are locked one after the other. */
COLD void depot_visit(void (*visit)(const struct object *o, void *arg), void *arg);

COLD bool depot_check(void);

/* In the child of a fork: frees locks that other threads held, and counts anew what is there. The
   lists are whole after each single store; objects that were on their way are lost. */
COLD void depot_recover(void);

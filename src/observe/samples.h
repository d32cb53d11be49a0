/*
 * The table of a sampled heap profile: a site for each stack that allocated, with sums, and a
 * sample for each sampled object that is in use.
 *
 *	sample_heads[page of mem]  ---> sample ---> sample      those of a page are in one chain
 *	                                  | site
 *	site_heads[hash of stack]  ---> site   ---> site
 *	sites                      ---> site   ---> ...         every site, newest first
 *	counts[hash of mem]        samples in use; 0 for nearly all objects that are not sampled
 *
 * A sample stands for several objects (observe/poisson.h), and sums are of what samples stand for.
 * Sites are never freed, so a reader from outside (preload/look/outside/profile.py) follows them
 * without a lock. The peak of each site is what it held when all sites together held most. It is
 * noted lazily: `peaks` numbers the moments at which the total rose to a new peak, and a site that
 * is about to change and was last noted before the newest one notes what it has.
 *
 * Locking: the caller holds profile_lock (observe/profile.h), but where a function says otherwise.
 * Sites are kept when another profile begins, with sums of 0: those without samples are none of it.
 * A sample is linked after its site has counted it and unlinked before; so in the child of a fork
 * sums of what is in use are made anew from the samples that are linked. Its byte of `counts` is
 * raised before it is linked and lowered after it is unlinked: in such a child it may stay raised.
 */
#pragma once

#include "base/bits.h"

#define TRAIL_MOST 40 /* return addresses of a stack, the innermost first */
#define LIVES	   8

/* A stack. */
struct trail {
	uint64_t depth;
	const void *frames[TRAIL_MOST];
};

/* What samples stand for; objects in units of 1 / POISSON_ONE. */
struct sum {
	uint64_t objects;
	uint64_t asked, given; /* bytes */
};

struct site {
	struct site *next_all; /* constant */
	struct site *next;     /* in its chain; constant */
	uint64_t hash;	       /* constant */
	uint64_t samples;      /* so far */
	struct sum allocated;  /* so far */
	struct sum live;       /* in use */
	struct sum peak; /* in use at peak number peak_noted; live if that is not the newest */
	uint64_t peak_noted;
	uint64_t lives[LIVES]; /* objects that were freed, by samples_life() of their age */
	struct trail trail;    /* constant */
};

struct sample {
	struct sample *next; /* in its chain */
	uintptr_t mem;
	struct site *site;
	uint64_t asked, given; /* bytes */
	uint64_t weight;       /* objects that it stands for */
	uint64_t time;	       /* os_clock() when it was allocated */
};

#define SAMPLE_HEADS  ((size_t)1 << 15)
#define SAMPLE_COUNTS ((size_t)1 << 16)
#define SITE_HEADS    ((size_t)1 << 12)

struct samples {
	struct sample **heads;	  /* NULL before samples_start(); SAMPLE_COUNTS bytes follow */
	struct site **site_heads; /* the same */
	struct site *sites;	  /* release-published */
	uint64_t rate;		  /* mean distance in bytes */
	uint64_t started;	  /* os_clock() */
	uint64_t stopped;	  /* the same; 0: not yet */
	uint64_t taken;		  /* samples so far */
	uint64_t in_use;	  /* samples of objects in use */
	uint64_t lost;	 /* samples for which there was no memory, or in a signal handler */
	struct sum live; /* of all sites */
	uint64_t peak;	 /* the most bytes that live.asked was */
	uint64_t peaks;	 /* the number of the newest peak */
};

/* One for the process; for observe/profile.c, and observe/figures.c. */
extern HIDDEN struct samples samples;

/* Makes the table, if there is none, and empties it, for that rate. False without memory. */
COLD bool samples_start(size_t rate);

/* Says that nothing will be added. */
COLD void samples_stop(void);

/* Calls `visit` with each sampled object that is in use. */
COLD void samples_visit(void (*visit)(const void *mem));

/* An object of which bytes were sampled. */
struct sampled_object {
	const void *mem;
	size_t asked, given;
	size_t grown; /* bytes that were allocated now: asked, or by how much it grew in place */
	uint64_t now; /* os_clock() */
	const struct trail *trail;
};

/* Notes a sampled object, which is in use; of one that grew and is noted already its growth alone,
   as allocated. False, and counted as lost, without memory. */
COLD bool samples_add(const struct sampled_object *object);

/* Forgets the sample of an object that is freed; false: there is none. */
COLD bool samples_remove(const void *mem, uint64_t now);

/* Updates the sample of an object that was resized, and perhaps moved; false: it is not sampled.
   `grown`: the bytes by which it grew that are counted, so that they may be sampled as well. */
COLD bool samples_resize(const void *mem, const void *moved, size_t asked, size_t given,
			 size_t grown);

/* The sample of an object in use; NULL: there is none. */
COLD const struct sample *samples_find(const void *mem);

/* Whether a sampled object that is in use starts in the page of mem. */
COLD bool samples_page_has(const void *mem);

/* The number of the decade that an age of that many nanoseconds lies in: 0 below 10 ms, 1 below 100
   ms, and so on; the last one has all above. */
COLD unsigned samples_life(uint64_t age);

/* Whether a site is of this profile; those of earlier ones have no samples. */
static inline bool site_counts(const struct site *site)
{
	return load_relaxed(&site->samples) != 0;
}

/* What a site held at the newest peak. */
static inline const struct sum *site_peak(const struct site *site)
{
	return site->peak_noted == samples.peaks ? &site->peak : &site->live;
}

static inline size_t samples_head(const void *mem)
{
	return ((uintptr_t)mem >> 12) * SPREAD >> 49;
}

static_assert((size_t)1 << (64 - 49) == SAMPLE_HEADS, "a head's number is the product's top bits");

/* How many sampled objects have addresses of that hash; at UINT8_MAX it stays. */
static inline uint8_t *samples_count(struct sample **heads, const void *mem)
{
	return (uint8_t *)(heads + SAMPLE_HEADS) +
	       ((uintptr_t)mem >> 4) * SPREAD / (UINT64_MAX / SAMPLE_COUNTS + 1);
}

/* Whether mem may be sampled: true for few others. For any thread that holds the object. */
ALWAYS_INLINE bool samples_may_have(const void *mem)
{
	struct sample **heads = load_acquire(&samples.heads);

	return heads && load_relaxed(samples_count(heads, mem));
}

/* In the child of a fork at which another thread held profile_lock. */
COLD void samples_recover(void);

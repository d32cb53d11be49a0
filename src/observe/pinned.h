/*
 * What sampled objects pin: the free bytes of pages in RAM that cannot go back while an object lies
 * on them. They are shared by the objects in use on the page, by how much of it each has; so shares
 * of samples, each times the objects that it stands for, are right on average.
 * preload/look/outside/pins.py says the same of a process that runs.
 *
 * A look takes two walks, one over samples, one over all objects, with a table of the pages that
 * samples begin or end on: 24 bytes a row, in a mapping of its own.
 */
#pragma once

#include "observe/samples.h"

struct pinned {
	struct pinned_row *rows; /* NULL: nothing is known */
	size_t count;		 /* a power of two */
};

/* Looks; false, with nothing known, where there is no memory, or in the middle of a call of
   loam's. Takes the profile's lock. */
COLD bool pinned_look(struct pinned *ret_pinned);

/* Objects of a site that pin something, in units of 1 / POISSON_ONE, and the bytes that they
   pin. */
COLD void pinned_of(const struct pinned *p, const struct site *site, uint64_t *ret_objects,
		    uint64_t *ret_bytes);

/* Gives the memory back. */
COLD void pinned_end(struct pinned *p);

/*
 * Pages that the child of a fork shares with its parent, until one of them writes to them: then the
 * system copies the page. A free writes a mark into its object, so a child that frees much of what
 * it inherited would copy most of its parent.
 *
 * So the first time that a magazine of the child is full, all pages of slabs are closed
 * (slab/slab.h). What is freed on a closed page goes home at once, and only its bit is set; when an
 * object is taken there, the page is opened and all is as ever. A child that frees little pays
 * nothing.
 */
#pragma once

#include "slab/slab.h"

/* Whether all pages are to be closed when a magazine is full next; atomic. */
extern HIDDEN bool shared_pages_due;

/* Whether pages were ever closed; atomic. */
extern HIDDEN bool shared_pages_closed;

/* In every child of a fork. */
COLD void shared_pages_begin(void);

/* Closes all pages. The caller is inside, and holds no lock. */
COLD void shared_pages_close(void);

/* Gives home an object in use, without writing to it, if its page is closed; else false. */
COLD bool shared_pages_give(struct slab *s, const struct object *o);

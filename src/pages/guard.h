/*
 * Guard pages: unreadable ones at the ends of blocks, under harden=3.  Each takes two of the
 * mappings that loam may take (os/mappings.h), of which huge objects take one each; where these are
 * used up, the last pages of further blocks stay readable.
 */
#pragma once

#include "pages/pagemap.h"

/* How many are laid now. */
size_t guard_count(void);

/* Makes pages of what tag describes unreadable; tag->guarded says whether that was done. */
COLD void guard_lay(struct descriptor *tag, void *mem, size_t nbytes);

/* Makes these readable again, if they were laid, and others beside them that are unreadable for
   another reason; false, and all as before, when the system refuses. */
COLD bool guard_lift(struct descriptor *tag, void *mem, size_t nbytes);

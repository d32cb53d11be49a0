/*
 * Guard pages: unreadable ones at the ends of blocks, under harden=3.  Each takes two of the
 * mappings that a process may have (vm.max_map_count, 65,530 by default), so there are at most as
 * many as leave half of these to the program, with huge objects counted, too; the last pages of
 * further blocks stay readable.
 */
#pragma once

#include "pages/pagemap.h"

#define GUARDS_MOST ((size_t)16384)

/* How many are laid now. */
size_t guard_count(void);

/* Makes pages of what tag describes unreadable; tag->guarded says whether that was done. */
COLD void guard_lay(struct descriptor *tag, void *mem, size_t nbytes);

/* Makes these readable again, if they were laid, and others beside them that are unreadable for
   another reason; false, and all as before, when the system refuses. */
COLD bool guard_lift(struct descriptor *tag, void *mem, size_t nbytes);

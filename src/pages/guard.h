/*
 * Guard pages: unreadable ones at the ends of blocks, under harden=3.  Each takes two of the
 * mappings that loam may take (os/mappings.h), of which huge objects take one each; where these are
 * used up, the last pages of further blocks stay readable.
 */
#pragma once

#include "pages/pagemap.h"

/* How many mappings blocks, huge objects and guards take: no fewer than the kernel counts, and more
   by one for each step in which the zone grew, if the kernel has joined what lies side by side.
   Those of metadata are few, and not in it. For any thread, and perhaps a moment old. */
size_t guard_mappings(void);

/* Makes pages of what tag describes unreadable; tag->guarded says whether that was done. */
COLD void guard_lay(struct descriptor *tag, void *mem, size_t nbytes);

/* Makes these readable again, if they were laid, and others beside them that are unreadable for
   another reason; false, and all as before, when the system refuses. */
COLD bool guard_lift(struct descriptor *tag, void *mem, size_t nbytes);

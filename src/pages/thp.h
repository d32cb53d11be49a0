/*
 * Transparent huge pages: what is advised to the system of the memory of zones and of huge objects,
 * and what is not purged so that huge pages stay whole (option thp).
 *
 *	auto    nothing is advised.  A small heap gets no huge pages, whatever the system's setting:
 *	        its zone is mapped in pieces of less than a huge page, and the page map is small.
 *	always  every mapping of a zone and of a huge object asks for them, and purging leaves a
 *	        huge page whole of which more than half is in use (thp_keep.h)
 *	never   every mapping refuses them, and so does the data segment
 *	system  nothing is advised and nothing held back
 *
 * The system may refuse advice, as it does where it has no huge pages: it is not asked again.
 *
 * Nothing is held back by zone_purge(SIZE_MAX), nor under `limit`.
 */
#pragma once

#include "base/compiler.h"
#include "base/options.h"

/* Advises that huge pages are wanted there, or none, unless advice was refused. */
COLD void thp_tell(void *mem, size_t nbytes, bool wanted);

/* Advises what the option says of a new mapping of a zone or of a huge object. */
static inline void thp_advise(void *mem, size_t nbytes)
{
	if (UNLIKELY(options.thp == THP_ALWAYS || options.thp == THP_NEVER))
		thp_tell(mem, nbytes, options.thp == THP_ALWAYS);
}

/* The same of other memory, for which huge pages are never asked, but refused under `never`. */
static inline void thp_refuse(void *mem, size_t nbytes)
{
	if (UNLIKELY(options.thp == THP_NEVER))
		thp_tell(mem, nbytes, false);
}

/* Whether purging of parts of huge pages may have to be held back. */
COLD bool thp_holds_now(void);

static inline bool thp_holds(void)
{
	return UNLIKELY(options.thp == THP_ALWAYS) && thp_holds_now();
}

/* What is left of `limit`, as tests ask for it. */
#pragma once

#include "pages/retain.h"

/* Whether `limit` leaves so many bytes to a request. */
static inline bool allows(size_t nbytes)
{
	size_t claim = retain_claim(nbytes);

	if (claim == RETAIN_REFUSED)
		return false;
	retain_unclaim(claim);
	return true;
}

/* The words by which other processes ask; see requests.h. */
#include "cache/requests.h"

#include "cache/cache.h"

struct requests requests;
SEALED void (*requests_serve)(struct cache *c);

/* A fast path that is shut may be so for another reason: requests_serve() looks. */
bool requests_are_due(void)
{
	bool due = !load_relaxed(&fast_limit);

	for (unsigned i = 0; i < REQUEST_KINDS; i++)
		due |= load_relaxed(&requests.of[i].asked) !=
		       load_relaxed(&requests.of[i].answered);
	return due && requests_serve;
}

void requests_forget(void)
{
	store_relaxed(&requests.busy, false);
	for (unsigned i = 0; i < REQUEST_KINDS; i++)
		store_relaxed(&requests.of[i].answered, load_relaxed(&requests.of[i].asked));
}

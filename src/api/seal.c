/* Read-only from the start of the process on; see seal.h. */
#include "api/seal.h"

#include "base/bits.h"
#include "os/check.h"
#include "os/os.h"
#include "os/process.h"
#include "pages/metadata.h"

#include <string.h>

/* Defined by seal.ld, each at the start of a page. */
extern HIDDEN char seal_begin[], seal_options[], seal_end[];

static bool open = true; /* the options; after the start under metadata_lock */

struct span {
	char *mem;
	size_t nbytes;
};

static struct span pages_between(char *start, char *stop)
{
	ASSERT(start <= stop && is_aligned((uintptr_t)start | (uintptr_t)stop, 4096)); /* seal.ld */
	return (struct span){start, (size_t)(stop - start)};
}

static bool protect(struct span pages)
{
	return os_protect(pages.mem, pages.nbytes);
}

void seal(bool for_good)
{
	struct span sealed = pages_between(seal_begin, seal_options);

	if (os_page_size() != 4096)
		return;
	open = !protect(pages_between(seal_options, seal_end));
	if (protect(sealed) && for_good)
		os_protect_for_good(sealed.mem, sealed.nbytes);
}

/* By a copy that is moved there: a program may run under a filter that knows no mprotect. */
static LATER bool open_locked(void)
{
	struct span sealed = pages_between(seal_options, seal_end);
	char *copy = os_map(sealed.nbytes, OS_METADATA);

	if (!copy)
		return false;
	memcpy(copy, sealed.mem, sealed.nbytes);
	open = os_remap_onto(copy, sealed.nbytes, sealed.mem, sealed.nbytes);
	if (!open)
		os_unmap(copy, sealed.nbytes);
	return open;
}

/* One thread at a time: a second copy would take back what was set since the first. */
bool seal_open_options(void)
{
	bool done;

	lock_acquire(&metadata_lock);
	done = open || open_locked();
	lock_release(&metadata_lock);
	return done;
}

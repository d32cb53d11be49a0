/* Transparent huge pages; see thp.h. */
#include "pages/thp.h"

#include "os/os.h"
#include "pages/pagemap.h"

static bool refused; /* relaxed: the system has refused advice */

void thp_tell(void *mem, size_t nbytes, bool wanted)
{
	if (!load_relaxed(&refused) && !os_advise_huge(mem, nbytes, wanted))
		store_relaxed(&refused, true);
}

bool thp_holds_now(void)
{
	return !options.limit && !load_relaxed(&refused) && os_page_size() == PAGE_SIZE;
}

/* Transparent huge pages; see thp.h. */
#include "pages/thp.h"

#include "os/os.h"
#include "pages/pagemap.h"

static bool refused;	   /* relaxed: the system has refused advice */
static unsigned give_alls; /* atomic: calls that give all back */

void thp_tell(void *mem, size_t nbytes, bool wanted)
{
	if (!load_relaxed(&refused) && !os_advise_huge(mem, nbytes, wanted))
		store_relaxed(&refused, true);
}

void thp_give_all_begin(void)
{
	add_relaxed(&give_alls, 1);
}

void thp_give_all_end(void)
{
	if (load_relaxed(&give_alls)) /* else this is a child, in which thp_recover() was called */
		add_relaxed(&give_alls, (unsigned)-1);
}

void thp_recover(void)
{
	store_relaxed(&give_alls, 0);
}

bool thp_holds_now(void)
{
	return !options.limit && !load_relaxed(&give_alls) && !load_relaxed(&refused) &&
	       os_page_size() == PAGE_SIZE;
}

/* Children that share memory; see children.h. */
#include "os/children.h"

#include "os/os.h"
#include "os/robust.h"

struct child {
	uint64_t begun; /* the parent's; os_clock() + 1 before the fork, 0: never used */
	bool entered;	/* the child holds its mutex, or held it */
	struct robust holder;
};

#define CHILDREN (4 * KIB / sizeof(struct child))

static struct child *table;	/* of this process's children; NULL: it has none yet */
static struct child *next;	/* who is made by the fork under way; NULL: not counted */
static struct child *inherited; /* the parent's table, in which this process holds a mutex */

static bool lives(const struct child *c)
{
	if (!load_relaxed(&c->begun))
		return false;
	if (load_acquire(&c->entered))
		return robust_is_held(&c->holder, false);
	return os_clock() + 1 - load_relaxed(&c->begun) < OS_SECOND;
}

/* Makes an entry the next child's; false, if a child lives in it, or another thread takes it. */
static bool claim(struct child *c)
{
	uint64_t begun = load_relaxed(&c->begun);

	if (lives(c) || !__atomic_compare_exchange_n(&c->begun, &begun, os_clock() + 1, false,
						     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return false;
	store_relaxed(&c->entered, false);
	store_relaxed(&next, c);
	return true;
}

void children_begin(bool counted)
{
	store_relaxed(&next, NULL);
	if (!counted)
		return;
	if (!table)
		table = os_map_for_children(os_page_size());
	for (size_t i = 0; table && i < CHILDREN; i++)
		if (claim(&table[i]))
			return;
}

void children_enter(void)
{
	struct child *me = next;

	if (me && robust_hold_anew(&me->holder))
		store_release(&me->entered, true);
	if (inherited)
		os_unmap(inherited, os_page_size()); /* libc has emptied the list of mutexes */
	inherited = table;
	table = NULL;
	next = NULL;
}

bool children_live(void)
{
	for (size_t i = 0; table && i < CHILDREN && load_relaxed(&table[i].begun); i++)
		if (lives(&table[i]))
			return true;
	return false;
}

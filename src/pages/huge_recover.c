/* huge_recover(): the table of huge objects, which another thread was changing when this process was
   forked. */
#include "pages/huge.h"
#include "pages/huge_table.h"
#include "pages/retain.h"

/* What has no tag is an object that was being taken into use, or out of it: nobody has it. */
static COLD void keep_untagged(void)
{
	struct link *l = huge_table.in_use.next, *next;

	for (; l != &huge_table.in_use; l = next) {
		struct huge *h = huge_of_link(l);

		next = l->next;
		if (pagemap_get(h->mem) == &h->tag)
			continue;
		list_remove(l);
		if (h->dirty > HUGE_KEPT_MOST)
			continue; /* its addresses are lost */
		h->nbytes = h->dirty;
		list_push(&huge_table.kept, l);
	}
}

static COLD void sum_up(void)
{
	struct huge_sizes *s = &huge_table.sizes;

	s->count = s->nbytes = s->kept = 0;
	list_for_each (l, &huge_table.in_use) {
		s->count++;
		s->nbytes += huge_of_link(l)->nbytes;
		s->kept += huge_of_link(l)->dirty - huge_of_link(l)->nbytes;
	}
	list_for_each (l, &huge_table.kept)
		s->kept += huge_of_link(l)->dirty;
}

void huge_recover(void)
{
	struct huge_sizes before = huge_table.sizes;

	list_repair(&huge_table.in_use);
	list_repair(&huge_table.kept);
	keep_untagged();
	sum_up();
	retain_add_live((intptr_t)(huge_table.sizes.nbytes - before.nbytes));
	retain_add((intptr_t)(huge_table.sizes.kept - before.kept));
}

/* huge_check(): the invariants G1 to G3 of huge objects. */
#include "os/check.h"
#include "pages/huge.h"
#include "pages/huge_table.h"

bool huge_check(void)
{
	size_t count = 0, nbytes = 0, kept = 0;
	bool ok = true;

	lock_acquire(&huge_lock);
	list_for_each (l, &huge_table.in_use) {
		struct huge *h = huge_of_link(l);

		ok &= expect_eq("G1", (uintptr_t)pagemap_get(h->mem), (uintptr_t)h);
		ok &= expect_eq("G3", h->nbytes <= h->dirty && h->dirty <= h->mapped, true);
		count++;
		nbytes += h->nbytes;
		kept += h->dirty - h->nbytes;
	}
	list_for_each (l, &huge_table.kept) {
		struct huge *h = huge_of_link(l);

		ok &= expect_eq("G3", h->nbytes == h->dirty && h->dirty <= h->mapped, true);
		kept += h->dirty;
	}
	ok &= expect_eq("G2", kept, huge_table.sizes.kept);
	ok &= expect_eq("G2", count, huge_table.sizes.count);
	ok &= expect_eq("G2", nbytes, huge_table.sizes.nbytes);
	lock_release(&huge_lock);
	return ok;
}

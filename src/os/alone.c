/* See alone.h. */
#include "os/alone.h"

size_t add_inside(size_t *sum, size_t n)
{
	size_t before;

	if (!is_alone())
		return add_relaxed(sum, n);
	before = load_relaxed(sum);
	store_relaxed(sum, before + n);
	return before;
}

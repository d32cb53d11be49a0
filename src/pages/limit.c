/* The system's limit, as it was read last; see limit.h. */
#include "pages/limit.h"

#include "base/bits.h"
#include "os/check.h"
#include "os/line.h"
#include "os/memory_limits.h"
#include "pages/retain.h"
#include "pages/zone.h"

/* What is taken at least before it is read again. */
#define STEP_LEAST (256 * KIB)

/* From so many percent of waiting on there is pressure: as systemd has it (200 ms in 2 s). */
#define PRESSURE_LEAST 10

/* Mapped bytes of the zone that hold no memory. */
static size_t spare(void)
{
	struct zone_sizes sizes;

	zone_sizes(&sizes);
	return sizes.free_clean;
}

/* `share`: the part of what is left that may be taken until it is read again. */
static size_t read_and_set(size_t share)
{
	size_t known = load_relaxed(&retain_limit.known), held = retain_held(), left, more, from;

	memory_limits_read(held, spare(), &known);
	left = minus(known, held);
	store_relaxed(&retain_limit.pressed, memory_limits_pressure() >= PRESSURE_LEAST);
	store_relaxed(&retain_limit.known, known);
	more = larger(left / 8, STEP_LEAST);
	from = minus(held, more);
	store_relaxed(&retain_limit.from, from);
	store_relaxed(&retain_limit.span, held + more - from);
	store_relaxed(&retain_limit.step, left <= 2 * STEP_LEAST ? known : held + left / share);
	return left;
}

void limit_read(void)
{
	ASSERT(retain_limit_is_auto());
	read_and_set(2);
}

void limit_start(void)
{
	size_t known;

	limit_read();
	if (load_relaxed(&retain_limit.known) == SIZE_MAX &&
	    !memory_limits_read(retain_held(), spare(), &known))
		line_say("limit=auto: /proc/self/statm cannot be read: the system's limit is not "
			 "known, and no request is refused until it can be");
}

bool limit_read_for_request(void)
{
	size_t step = load_relaxed(&retain_limit.step);

	ASSERT(retain_limit_is_auto());
	return read_and_set(1) && load_relaxed(&retain_limit.step) > step;
}

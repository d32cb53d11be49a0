/* When whole structures are proved; see steps.h. */
#include "os/steps.h"

#include "os/os.h"

static uint32_t wanted; /* 0: not known yet; then 1, or 2: no */

static bool is_wanted(void)
{
	uint32_t known = load_relaxed(&wanted);
	const char *given;

	if (LIKELY(known))
		return known == 1;
	given = os_getenv("LOAM_STEPS");
	known = given && *given == '0' ? 2 : 1;
	store_relaxed(&wanted, known);
	return known == 1;
}

bool step_is_due(uint32_t *left, size_t parts)
{
	uint32_t n = load_relaxed(left);

	store_relaxed(left, n ? n - 1 : (uint32_t)(parts / STEP_PARTS));
	return n == 0 && is_wanted();
}

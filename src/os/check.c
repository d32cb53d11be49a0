/* What a condition that does not hold leads to; see check.h. */
#include "os/check.h"

#include "os/line.h"
#include "os/os.h"

void check_failed(const char *cond, const char *file, int line)
{
	line_say("%s:%zu: does not hold: %s", file, (size_t)line, cond);
	os_abort();
}

bool check_equal(const char *label, const char *a_text, uint64_t a, const char *b_text, uint64_t b)
{
	if (a == b)
		return true;
	line_say("%s does not hold: %s is %zu, %s is %zu", label, a_text, (size_t)a, b_text,
		 (size_t)b);
	return false;
}

/* How many mappings a process may have; see mappings.h. */
#include "os/mappings.h"

#include "base/text.h"
#include "os/files.h"

SEALED static size_t most = MAPPINGS_BY_DEFAULT;

void mappings_read(void)
{
	char text[32];
	const char *c = text;

	os_read_string("/proc/sys/vm/max_map_count", text, sizeof text);
	if (!text_number(&c, &most) || !most)
		most = MAPPINGS_BY_DEFAULT;
}

size_t mappings_budget(void)
{
	return most / 2;
}

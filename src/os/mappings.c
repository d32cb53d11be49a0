/* How many mappings a process may have; see mappings.h. */
#include "os/mappings.h"

#include "base/text.h"
#include "os/files.h"

SEALED static size_t most = MAPPINGS_BY_DEFAULT;

void mappings_read(void)
{
	char text[32];
	int fd = os_open("/proc/sys/vm/max_map_count");
	long length = fd >= 0 ? os_read(fd, text, sizeof text - 1) : 0;
	const char *c = text;

	if (fd >= 0)
		os_close(fd);
	text[length > 0 ? length : 0] = '\0';
	if (!text_number(&c, &most) || !most)
		most = MAPPINGS_BY_DEFAULT;
}

size_t mappings_budget(void)
{
	return most / 2;
}

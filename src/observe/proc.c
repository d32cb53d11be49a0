/* What the kernel says of the process; see proc.h. */
#include "observe/proc.h"

#include "os/files.h"
#include "os/os.h"
#include "os/process.h"

void proc_program(char *buffer, size_t size)
{
	long n = os_read_link("/proc/self/exe", buffer, size - 1);

	buffer[n < 0 ? 0 : n] = '\0';
}

/* The second number of a line. */
static size_t second_number(const char *text)
{
	size_t n = 0;

	while (*text && *text != ' ')
		text++;
	for (text += *text != 0; *text >= '0' && *text <= '9'; text++)
		n = 10 * n + (size_t)(*text - '0');
	return n;
}

void proc_resident(size_t *ret_now, size_t *ret_most)
{
	char text[128] = "";
	int fd = os_open("/proc/self/statm");

	if (fd >= 0) {
		os_read(fd, text, sizeof text - 1);
		os_close(fd);
	}
	*ret_now = second_number(text) * os_page_size();
	*ret_most = os_most_resident();
	if (*ret_most < *ret_now)
		*ret_most = *ret_now; /* the kernel counts in batches */
}

uint64_t proc_number(void)
{
	return os_process();
}

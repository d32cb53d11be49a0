/* What the kernel says of the process; see proc.h. */
#include "observe/proc.h"

#include "base/text.h"
#include "os/files.h"
#include "os/os.h"
#include "os/process.h"

void proc_program(char *buffer, size_t size)
{
	struct text name = {.buffer = buffer, .capacity = size - 1};
	long n = os_read_link("/proc/self/exe", buffer, size - 1);

	if (n < 0 && os_program())
		text_put(&name, os_program());
	buffer[n < 0 ? name.length : (size_t)n] = '\0';
}

void proc_resident(size_t *ret_now, size_t *ret_most)
{
	size_t mapped, resident = 0;
	char text[128];
	const char *c = text;

	os_read_string("/proc/self/statm", text, sizeof text);
	if (text_number(&c, &mapped) && *c == ' ') {
		c++;
		text_number(&c, &resident);
	}
	*ret_now = resident * os_page_size();
	*ret_most = os_most_resident();
	if (*ret_most < *ret_now)
		*ret_most = *ret_now; /* the kernel counts in batches */
}

/* The 20th field of stat. The second is the program's name in parentheses, of any characters. */
size_t proc_threads(void)
{
	char text[512];
	const char *c = text, *name_end = text;
	size_t n = 0;

	os_read_string("/proc/self/stat", text, sizeof text);
	for (; *c; c++)
		if (*c == ')')
			name_end = c;
	for (unsigned field = 2; *name_end && field < 20; name_end++)
		field += *name_end == ' ';
	text_number(&name_end, &n);
	return n;
}

/* What the kernel says of the process; see proc.h. */
#include "observe/proc.h"

#include "os/os.h"
#include "os/syscall.h"

#include <fcntl.h>
#include <sys/resource.h>

void proc_program(char *buffer, size_t size)
{
	long n = syscall6(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)buffer,
			  (long)size - 1, 0, 0);

	buffer[syscall_failed(n) ? 0 : n] = '\0';
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
	struct rusage usage = {.ru_maxrss = 0};
	int fd = (int)syscall6(SYS_openat, AT_FDCWD, (long)"/proc/self/statm", O_RDONLY | O_CLOEXEC,
			       0, 0, 0);

	if (fd >= 0) {
		syscall3(SYS_read, fd, (long)text, sizeof text - 1);
		syscall3(SYS_close, fd, 0, 0);
	}
	syscall3(SYS_getrusage, RUSAGE_SELF, (long)&usage, 0);
	*ret_now = second_number(text) * os_page_size();
	*ret_most = (size_t)usage.ru_maxrss * KIB;
	if (*ret_most < *ret_now)
		*ret_most = *ret_now; /* the kernel counts in batches */
}

uint64_t proc_number(void)
{
	return (uint64_t)syscall3(SYS_getpid, 0, 0, 0);
}

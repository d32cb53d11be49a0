/* See error_words.h. */
#include "observe/error_words.h"

#include "base/text.h"

#include <errno.h>

#define NUMBER(n)	  NUMBER_AS_IS(n)
#define NUMBER_AS_IS(n)	  #n
#define ROW(error, words) NUMBER(error) " " words "\n"

/* Lines "number words".  One string, which lies with the others that are for messages alone. */
#define TABLE                                                                                      \
	ROW(EPERM, "Operation not permitted")                                                      \
	ROW(ENOENT, "No such file or directory")                                                   \
	ROW(EINTR, "Interrupted system call")                                                      \
	ROW(EIO, "Input/output error")                                                             \
	ROW(ENXIO, "No such device or address")                                                    \
	ROW(EAGAIN, "Resource temporarily unavailable")                                            \
	ROW(ENOMEM, "Cannot allocate memory")                                                      \
	ROW(EACCES, "Permission denied")                                                           \
	ROW(EBUSY, "Device or resource busy")                                                      \
	ROW(EEXIST, "File exists")                                                                 \
	ROW(ENODEV, "No such device")                                                              \
	ROW(ENOTDIR, "Not a directory")                                                            \
	ROW(EISDIR, "Is a directory")                                                              \
	ROW(EINVAL, "Invalid argument")                                                            \
	ROW(ENFILE, "Too many open files in system")                                               \
	ROW(EMFILE, "Too many open files")                                                         \
	ROW(ETXTBSY, "Text file busy")                                                             \
	ROW(EFBIG, "File too large")                                                               \
	ROW(ENOSPC, "No space left on device")                                                     \
	ROW(EROFS, "Read-only file system")                                                        \
	ROW(ENAMETOOLONG, "File name too long")                                                    \
	ROW(ENOSYS, "Function not implemented")                                                    \
	ROW(ELOOP, "Too many levels of symbolic links")                                            \
	ROW(EOPNOTSUPP, "Operation not supported")                                                 \
	ROW(EDQUOT, "Disk quota exceeded")

const char *error_words(int error, char buffer[ERROR_WORDS_MOST])
{
	struct text t = {.buffer = buffer, .capacity = ERROR_WORDS_MOST - 1};
	const char *c = TABLE;

	while (*c && !t.length) {
		size_t number;
		bool found = text_number(&c, &number) && number == (size_t)error;

		for (c++; *c != '\n'; c++)
			if (found)
				text_put_bytes(&t, c, 1);
		c++;
	}
	if (!t.length)
		text_printf(&t, "error %zu", (size_t)error);
	buffer[t.length] = '\0';
	return buffer;
}

/* The words of the errors that system calls on files are likely to end with, without libc. */
#pragma once

#include "base/compiler.h"

#define ERROR_WORDS_MOST 36 /* bytes of the longest, with its end */

/* "Read-only file system" for EROFS, "error 123" for what is rare; in the buffer. */
COLD const char *error_words(int error, char buffer[ERROR_WORDS_MOST]);

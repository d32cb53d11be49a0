/* The words of errors: libc's, for all that the table has, and a number for the rest. */
#include "observe/error_words.h"
#include "test.h"

#include <errno.h>
#include <string.h>

static char buffer[ERROR_WORDS_MOST];

TEST(the_words_are_those_of_libc)
{
	static const int likely[] = {EPERM,   ENOENT, EIO,    EACCES, EEXIST, ENOTDIR,	    EISDIR,
				     EINVAL,  EMFILE, ENFILE, ENOSPC, EROFS,  ENAMETOOLONG, ELOOP,
				     ETXTBSY, EFBIG,  ENXIO,  EDQUOT, EAGAIN, ENOMEM};

	for (size_t i = 0; i < sizeof likely / sizeof likely[0]; i++)
		EXPECT(!strcmp(error_words(likely[i], buffer), strerror(likely[i])));
}

TEST(an_error_without_words_has_its_number)
{
	size_t without = 0;
	char number[40];

	for (int error = 0; error < 600; error++) {
		const char *words = error_words(error, buffer);

		EXPECT(strlen(words) < ERROR_WORDS_MOST);
		snprintf(number, sizeof number, "error %d", error);
		if (!strcmp(words, number))
			without++;
		else
			EXPECT(!strcmp(words, strerror(error)));
	}
	EXPECT_EQ(without, 600 - 25);
}

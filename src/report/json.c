/* Strings in JSON; see json.h. */
#include "report/json.h"

/* Bytes of a UTF-8 sequence, by its first one; 0: none begins so. */
static size_t length_of(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Whether a second byte makes the first one no longer sequence than needed, no surrogate, and no
   number over 0x10ffff. */
static bool is_second(unsigned char first, unsigned char second)
{
	unsigned least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	unsigned most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

	return second >= least && second <= most;
}

/* Bytes of the UTF-8 sequence that a string, which is not empty, begins with; 0: it is none. */
static size_t sequence(const unsigned char *string)
{
	size_t n = length_of(string[0]);

	if (n > 1 && !is_second(string[0], string[1]))
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((string[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

void json_put(struct text *t, const char *string)
{
	while (*string) {
		size_t n = sequence((const unsigned char *)string);

		if (*string == '"' || *string == '\\')
			text_put(t, "\\");
		text_put_bytes(t, n && (unsigned char)*string >= ' ' ? string : "?", n ? n : 1);
		string += n ? n : 1;
	}
}

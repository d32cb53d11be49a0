/* Strings in JSON: whatever bytes they have, it can be read. */
#include "report/json.h"

#include "test.h"

#include <string.h>

static const char *put(const char *string)
{
	static char buffer[200];
	struct text t = {.buffer = buffer, .capacity = sizeof buffer - 1};

	json_put(&t, string);
	buffer[t.length] = '\0';
	return buffer;
}

static void expect(const char *string, const char *expected)
{
	const char *got = put(string);

	if (strcmp(got, expected) != 0)
		printf("%s\n", got);
	EXPECT(strcmp(got, expected) == 0);
}

TEST(what_json_knows_stays)
{
	expect("", "");
	expect("/usr/lib/a b~.so", "/usr/lib/a b~.so");
	expect("a\"b\\c", "a\\\"b\\\\c");
	expect("\xc2\x80 \xdf\xbf \xe0\xa0\x80", "\xc2\x80 \xdf\xbf \xe0\xa0\x80");
	expect("\xed\x9f\xbf \xef\xbf\xbf", "\xed\x9f\xbf \xef\xbf\xbf");
	expect("\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf");
}

TEST(a_byte_that_is_none_of_its_becomes_a_question_mark)
{
	expect("a\nb\x1f", "a?b?");
	expect("caf\xe9 au lait", "caf? au lait"); /* Latin-1 */
	expect("\xe9\"", "?\\\"");
	expect("\x80 \xbf \xc0\x80 \xc1\xbf \xf5\x80\x80\x80 \xff", "? ? ?? ?? ???? ?");
	expect("\xe0\x9f\xbf \xed\xa0\x80 \xf0\x8f\xbf\xbf \xf4\x90\x80\x80", "??? ??? ???? ????");
}

TEST(a_sequence_that_is_cut_off_becomes_question_marks)
{
	expect("a\xc3", "a?");
	expect("a\xe2\x82", "a??");
	expect("a\xf0\x9f\x98", "a???");
	expect("\xe2\x82\xc3\xa9", "??\xc3\xa9");
}
